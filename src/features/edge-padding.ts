/** What lies beyond the ends of a signal when frames are centred, as numpy's `pad` defines it. */
import type { MelParams } from './types.js';

/**
 * Value at `index` of a signal of `length` samples continued beyond its ends: zeros, or its mirror image without
 * repeating the end sample (period 2·(length − 1), so that signals shorter than the padding work too).
 */
export function paddedSample(signal: Float32Array, length: number, index: number, mode: MelParams['padMode']): number {
  if (index >= 0 && index < length) return signal[index]!;
  if (mode === 'constant' || length === 0) return 0;
  if (length === 1) return signal[0]!;
  const period = 2 * (length - 1);
  const folded = ((index % period) + period) % period;
  return signal[folded < length ? folded : period - folded]!;
}
