/**
 * PCM of one window or less → model input for training, by the arithmetic of the live path.
 *
 * Shorter PCM is tiled in the frame domain, as the live path does at the end of a stream: the frames that it has are
 * repeated cyclically, so that no seam rings through the spectrogram.
 */
import { WindowFeatures, type FeatureParams } from '../features/index.js';
import { BATCH_FRAMES, MelKernel } from '../features/kernel/mel-kernel.js';
import { supportOffsetSamples } from '../features/params.js';
import { rootMeanSquare } from './augment.js';
import { ownFrames } from './frame-targets.js';

/** A function from PCM at the model's rate to nMels × windowFrames values. Not re-entrant. */
export function windowFeaturiser(params: FeatureParams): (pcm: Float32Array) => Float32Array {
  const features = new WindowFeatures(params);
  const tiled = tiledFeaturiser(params);
  return (pcm) => (pcm.length === features.spanSamples ? features.windowInput(pcm) : tiled(pcm));
}

function tiledFeaturiser(params: FeatureParams): (pcm: Float32Array) => Float32Array {
  const { mel, windowFrames } = params;
  const kernel = new MelKernel(params, windowFrames);
  return (pcm) => {
    const frames = ownFrames(pcm.length, params);
    computeFrames(kernel, params, pcm.length < mel.nFft ? zeroPadded(pcm, mel.nFft) : pcm, frames);
    for (let row = 0; row < kernel.history.length; row += windowFrames) {
      for (let t = frames; t < windowFrames; t++) kernel.history[row + t] = kernel.history[row + t - frames]!;
    }
    return kernel.normalise(0, rootMeanSquare(pcm));
  };
}

function computeFrames(kernel: MelKernel, { mel }: FeatureParams, pcm: Float32Array, frames: number): void {
  for (let t = 0; t < frames; t += BATCH_FRAMES) {
    const count = Math.min(BATCH_FRAMES, frames - t);
    const start = supportOffsetSamples(mel) + t * mel.hopLength;
    const length = (count - 1) * mel.hopLength + mel.winLength;
    kernel.input.set(pcm.subarray(start, start + length));
    // The kernel takes samples in pairs.
    kernel.input[length] = 0;
    kernel.frames(count, t);
  }
}

function zeroPadded(pcm: Float32Array, length: number): Float32Array {
  const padded = new Float32Array(length);
  padded.set(pcm);
  return padded;
}
