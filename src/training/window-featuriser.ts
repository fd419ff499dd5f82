/**
 * PCM of one window or less → model input for training, by the arithmetic of the live path.
 *
 * Shorter PCM is tiled in the frame domain, as the live path does at the end of a stream: the frames that it has are
 * repeated cyclically, so that no seam rings through the spectrogram.
 */
import { WindowFeatures, WindowNormaliser, type FeatureParams } from '../features/index.js';
import { MelTransform } from '../features/mel-transform.js';
import { rootMeanSquare } from './augment.js';

/** A function from at least nFft samples at the model's rate to nMels × windowFrames values. Not re-entrant. */
export function windowFeaturiser(params: FeatureParams): (pcm: Float32Array) => Float32Array {
  const features = new WindowFeatures(params);
  const tiled = tiledFeaturiser(params, features.outputLength);
  return (pcm) => (pcm.length === features.spanSamples ? features.windowInput(pcm) : tiled(pcm));
}

function tiledFeaturiser(params: FeatureParams, outputLength: number): (pcm: Float32Array) => Float32Array {
  const { mel, windowFrames } = params;
  const transform = new MelTransform(mel);
  const normaliser = new WindowNormaliser(params);
  const logPower = new Float32Array(outputLength);
  const offset = Math.floor((mel.nFft - mel.winLength) / 2);
  return (pcm) => {
    const frames = Math.min(windowFrames, 1 + Math.max(0, Math.floor((pcm.length - mel.nFft) / mel.hopLength)));
    const padded = pcm.length < mel.nFft ? zeroPadded(pcm, mel.nFft) : pcm;
    for (let t = 0; t < frames; t++) transform.melLogPower(padded, offset + t * mel.hopLength, logPower, t, windowFrames);
    for (let band = 0; band < outputLength; band += windowFrames) {
      for (let t = frames; t < windowFrames; t++) logPower[band + t] = logPower[band + t - frames]!;
    }
    const output = new Float32Array(outputLength);
    normaliser.apply(logPower, 0, windowFrames, rootMeanSquare(pcm), output);
    return output;
  };
}

function zeroPadded(pcm: Float32Array, length: number): Float32Array {
  const padded = new Float32Array(length);
  padded.set(pcm);
  return padded;
}
