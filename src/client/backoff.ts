/** How long a client waits before it tries again. */

export interface Backoff {
  /** Delay before the first retry in ms, before jitter. Default 500. */
  initialDelayMs: number;
  /** Longest delay in ms, before jitter. Default 15 000. */
  maxDelayMs: number;
  /** Source of jitter, 0 ≤ x < 1. Default Math.random. */
  random: () => number;
}

/**
 * Exponential back-off: doubles from `initialDelayMs` to `maxDelayMs`; the jitter takes away up to half, so that the
 * clients of a restarted station don't come back all at once.
 *
 * @param attempt retries since the last success, from 0.
 */
export function backoffDelayMs(attempt: number, { initialDelayMs, maxDelayMs, random }: Backoff): number {
  const full = Math.min(maxDelayMs, initialDelayMs * 2 ** Math.min(attempt, 30));
  return Math.round(full * (0.5 + 0.5 * random()));
}
