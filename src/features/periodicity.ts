/** How regularly the loudness of a window rises and falls: the strength of the beat. */

/** Envelope points per second. */
export const ENVELOPE_RATE_HZ = 50;
const MIN_LAG_S = 0.3;
const MAX_LAG_S = 2;
/** A lag counts only with at least this many envelope points overlapping: fewer correlate by chance. */
const MIN_OVERLAP = 40;
/**
 * Standard errors of a chance correlation (1 / √overlap) that are subtracted, so that noise scores about 0. Of 3 s
 * windows at 2.5, 98 % of white noise and 94 % of low-passed noise score ≤ 0.1, and 1–9 % of heart sounds by data set.
 */
const CHANCE = 2.5;

/**
 * Largest autocorrelation (Pearson's, of the overlapping parts) of the envelope at lags of 0.3–2 s, less what chance
 * gives, rescaled to 0…1. 0 for a constant envelope and for windows too short to hold two beats.
 *
 * @param envelope points at ENVELOPE_RATE_HZ, such as the RMS of 20 ms.
 */
export function periodicity(envelope: Float32Array): number {
  const minLag = Math.round(MIN_LAG_S * ENVELOPE_RATE_HZ);
  const maxLag = Math.min(Math.round(MAX_LAG_S * ENVELOPE_RATE_HZ), envelope.length - MIN_OVERLAP);
  if (maxLag < minLag) return 0;
  const sums = runningSums(envelope);
  const squares = runningSums(envelope.map((x) => x * x));
  let best = 0;
  for (let lag = minLag; lag <= maxLag; lag++) {
    const chance = CHANCE / Math.sqrt(envelope.length - lag);
    best = Math.max(best, (correlationAtLag(envelope, lag, sums, squares) - chance) / (1 - chance));
  }
  return Math.min(1, best);
}

function correlationAtLag(x: Float32Array, lag: number, sums: Float64Array, squares: Float64Array): number {
  const n = x.length - lag;
  const [early, late] = [sums[n]!, sums[x.length]! - sums[lag]!];
  const [earlySquares, lateSquares] = [squares[n]!, squares[x.length]! - squares[lag]!];
  const spread = (earlySquares - (early * early) / n) * (lateSquares - (late * late) / n);
  if (!(spread > 1e-10 * earlySquares * lateSquares)) return 0;
  // Two chains of additions, since each must wait for its own last result.
  let [even, odd] = [0, 0];
  for (let i = 1; i < n; i += 2) {
    even += x[i - 1]! * x[i - 1 + lag]!;
    odd += x[i]! * x[i + lag]!;
  }
  const products = even + odd + (n % 2 ? x[n - 1]! * x[n - 1 + lag]! : 0);
  return (products - (early * late) / n) / Math.sqrt(spread);
}

/** Element i is the sum of the first i values. */
function runningSums(values: Float32Array): Float64Array {
  const sums = new Float64Array(values.length + 1);
  for (let i = 0; i < values.length; i++) sums[i + 1] = sums[i]! + values[i]!;
  return sums;
}
