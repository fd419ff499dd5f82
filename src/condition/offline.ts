/** Conditioning of sound that is all there, by the same code as the live path. */
import { Conditioner, type ConditionOptions } from './conditioner.js';
import { StreamingResampler } from './resampler.js';

/**
 * What `condition` makes of a whole recording.
 *
 * @param samples interleaved, any quality.
 * @param rateHz rate of `samples`.
 * @returns ceil(frames · modelRateHz / rateHz) mono samples at options.modelRateHz.
 * @throws StageError CONDITION_…
 */
export function conditionAll(samples: Float32Array, channels: number, rateHz: number, options: ConditionOptions): Float32Array {
  const conditioner = new Conditioner(options);
  const parts: Float32Array[] = [];
  const keep: Parameters<Conditioner['push']>[1] = (item) => {
    if (item.kind === 'chunk') parts.push(item.samples.slice());
  };
  conditioner.push({ kind: 'chunk', streamId: 'offline', samples, channels, sampleRateHz: rateHz, startSample: 0, capturedAtMs: 0 }, keep);
  conditioner.end(keep);
  return concat(parts);
}

/**
 * Resamples a whole mono signal.
 *
 * @returns ceil(y.length · toHz / fromHz) samples; sample n stands for the instant n / toHz.
 * @throws StageError CONDITION_RATE_INVALID.
 */
export function resampleAll(y: Float32Array, fromHz: number, toHz: number): Float32Array {
  const resampler = new StreamingResampler(fromHz, toHz);
  const body = resampler.push(y).slice();
  return concat([body, resampler.flush()]);
}

function concat(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
