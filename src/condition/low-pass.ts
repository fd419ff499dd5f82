/**
 * The resampler's low-pass: a windowed sinc with Kaiser's window, in polyphase form.
 *
 * Kaiser's formulas (1974): for A dB of attenuation, β = 0.5842·(A − 21)^0.4 + 0.07886·(A − 21) below 50 dB and
 * 0.1102·(A − 8.7) above; length = (A − 7.95) / (2.285·Δω).
 */

/** Passband edge as a fraction of the lower of the two Nyquist frequencies; the stopband begins at 1. */
export const PASSBAND_EDGE = 0.86;
const ATTENUATION_DB = 63;
/** With more phases than this, coefficients between two neighbours are interpolated: the error stays below −100 dB. */
const MAX_PHASES = 512;

export interface PolyphaseLowPass {
  /** Source samples before the one at or before the output's instant. */
  before: number;
  /** Source samples after it: the look-ahead. */
  after: number;
  /** before + 1 + after. */
  taps: number;
  /** Phases in `coefficients`, not counting the extra one that ends interpolation. */
  phases: number;
  /** True when outputs lie between phases. */
  interpolated: boolean;
  /** (phases, + 1 when interpolated) × taps, each row summing to 1. */
  coefficients: Float32Array;
}

/**
 * @param fromHz source rate.
 * @param toHz target rate.
 * @param up outputs lie at multiples of 1 / up source samples.
 */
export function polyphaseLowPass(fromHz: number, toHz: number, up: number): PolyphaseLowPass {
  const band = Math.min(fromHz, toHz) / fromHz;
  const transition = (Math.PI * (1 - PASSBAND_EDGE)) * band;
  const half = (ATTENUATION_DB - 7.95) / (2.285 * transition) / 2;
  const cutoff = (band * (1 + PASSBAND_EDGE)) / 2;
  const before = Math.floor(half);
  // With one phase only, outputs fall on source samples and the outermost tap would be zero.
  const after = up === 1 ? before : before + 1;
  const taps = before + 1 + after;
  const interpolated = up > MAX_PHASES;
  const phases = interpolated ? MAX_PHASES : up;
  const rows = interpolated ? phases + 1 : phases;
  const coefficients = new Float32Array(rows * taps);
  for (let row = 0; row < rows; row++) {
    fillRow(coefficients.subarray(row * taps, (row + 1) * taps), before + row / phases, half, cutoff);
  }
  return { before, after, taps, phases, interpolated, coefficients };
}

/** Filter values around `centre`, scaled to sum to 1 so that a constant passes unchanged in every phase. */
function fillRow(row: Float32Array, centre: number, half: number, cutoff: number): void {
  const values = Array.from(row, (_, tap) => kaiserSinc(tap - centre, half, cutoff));
  const sum = values.reduce((total, value) => total + value, 0);
  row.set(values.map((value) => value / sum));
}

function kaiserSinc(t: number, half: number, cutoff: number): number {
  const inside = 1 - (t / half) ** 2;
  if (inside < 0) return 0;
  const x = Math.PI * cutoff * t;
  return (x === 0 ? 1 : Math.sin(x) / x) * besselI0(BETA * Math.sqrt(inside));
}

const BETA = 0.1102 * (ATTENUATION_DB - 8.7);

/** Modified Bessel function of order 0, by its power series. */
function besselI0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-16; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
