/** Features of sound that is all there: what training and evaluation call. Same arithmetic as the live path. */
import { powerToDb } from './decibels.js';
import { melSpectrogram } from './mel-spectrogram.js';
import type { FeatureParams } from './types.js';
import { WindowFeatures } from './window-features.js';

export { windowSpanSamples } from './params.js';
export { WindowFeatures } from './window-features.js';

/** Tables are dear to make (a filter bank) and depend on the parameters only, so each parameter object's are kept as long as it lives. */
const made = new WeakMap<FeatureParams, WindowFeatures>();

/**
 * One window of PCM → one model input; see WindowFeatures.windowInput.
 *
 * @param pcm windowSpanSamples(params) conditioned samples at the model's rate.
 * @param params must not be changed once used here.
 * @param out nMels × windowFrames values, overwritten; new when absent.
 * @returns nMels × windowFrames normalised values, band-major.
 * @throws StageError FEATURES_PARAM_INVALID, FEATURES_LENGTH_MISMATCH.
 */
export function windowInput(pcm: Float32Array, params: FeatureParams, out?: Float32Array): Float32Array {
  let features = made.get(params);
  if (!features) made.set(params, (features = new WindowFeatures(params)));
  return features.windowInput(pcm, out);
}

/**
 * Unnormalised mel decibels of a whole signal, with the parameters' floor, reference and top.
 *
 * @param pcm mono samples at the model's rate.
 * @returns frames × nMels values, frame-major; frames as librosa counts them.
 */
export function melDecibels(pcm: Float32Array, params: FeatureParams): Float32Array {
  const { data, frames } = melSpectrogram(pcm, params.mel);
  const db = powerToDb(data, params.db);
  const { nMels } = params.mel;
  return Float32Array.from({ length: db.length }, (_, i) => db[(i % nMels) * frames + Math.floor(i / nMels)]!);
}
