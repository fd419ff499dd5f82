/** What lies beyond the ends of a signal when frames are centred, as numpy's `pad` defines it. */
import type { MelParams } from './types.js';

/**
 * Which sample of a signal of `length` samples stands at `index`, −1 for a zero: zeros beyond the ends, or the mirror
 * image without repeating the end sample (period 2·(length − 1), so that signals shorter than the padding work too).
 */
export function paddedIndex(index: number, length: number, mode: MelParams['padMode']): number {
  if (index >= 0 && index < length) return index;
  if (mode === 'constant' || length === 0) return -1;
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const folded = ((index % period) + period) % period;
  return folded < length ? folded : period - folded;
}
