/** Features of sound that is all there: what training and evaluation call. Same arithmetic as the live path. */
import { powerToDb } from './decibels.js';
import { FeatureStream } from './feature-stream.js';
import { melSpectrogram } from './mel-spectrogram.js';
import type { FeatureItem, FeatureParams, FeatureWindow } from './types.js';
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

/** Samples handed over at a time: keeps memory level on long recordings. */
const SLICE_SAMPLES = 4096;

/**
 * The windows that the live path makes of a finite recording, by the same class: every windowHopFrames, and one
 * repeated cyclically when the recording is too short for a whole one. `capturedAtMs` counts from the recording's
 * start; clipping and non-finite samples are not known here (zero).
 *
 * @param pcm conditioned mono samples at the model's rate; none gives no window.
 * @throws StageError FEATURES_PARAM_INVALID.
 */
export function* offlineWindows(pcm: Float32Array, params: FeatureParams, streamId = 'offline'): Generator<FeatureWindow, void, undefined> {
  const stream = new FeatureStream(params);
  const { sampleRateHz } = params.mel;
  const windows: FeatureWindow[] = [];
  const keep = (item: FeatureItem) => {
    if (item.kind === 'window') windows.push(item);
  };
  for (let start = 0; start < pcm.length; start += SLICE_SAMPLES) {
    const samples = pcm.subarray(start, start + SLICE_SAMPLES);
    const capturedAtMs = ((start + samples.length) * 1000) / sampleRateHz;
    stream.push({ kind: 'chunk', streamId, samples, sampleRateHz, startSample: start, capturedAtMs, clippedSamples: 0, nonFiniteSamples: 0 }, keep);
    yield* windows.splice(0);
  }
  stream.push({ kind: 'end', streamId }, keep);
  yield* windows.splice(0);
}
