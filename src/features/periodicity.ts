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
  let best = 0;
  for (let lag = minLag; lag <= maxLag; lag++) {
    const chance = CHANCE / Math.sqrt(envelope.length - lag);
    best = Math.max(best, (correlationAtLag(envelope, lag) - chance) / (1 - chance));
  }
  return Math.min(1, best);
}

function correlationAtLag(x: Float32Array, lag: number): number {
  const n = x.length - lag;
  let [a, b, aa, bb, ab] = [0, 0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const p = x[i]!;
    const q = x[i + lag]!;
    a += p;
    b += q;
    aa += p * p;
    bb += q * q;
    ab += p * q;
  }
  const spread = (aa - (a * a) / n) * (bb - (b * b) / n);
  return spread > 1e-12 * aa * bb ? (ab - (a * b) / n) / Math.sqrt(spread) : 0;
}
