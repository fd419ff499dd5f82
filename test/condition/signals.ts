/** Signals and measures for the conditioning tests. */

export function tone(hz: number, rateHz: number, samples: number, startSample = 0): Float32Array {
  return Float32Array.from({ length: samples }, (_, i) => Math.sin((2 * Math.PI * hz * (startSample + i)) / rateHz));
}

/** Uniform noise in ±0.5, the same in every run. */
export function noise(length: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5);
}

/** Level in dB of the middle half of y against a full-scale sine. */
export function levelDb(y: Float32Array): number {
  const middle = y.subarray(Math.floor(y.length / 4), Math.floor((3 * y.length) / 4));
  const meanSquare = middle.reduce((sum, x) => sum + x * x, 0) / middle.length;
  return 10 * Math.log10(2 * meanSquare + 1e-30);
}

export function largestDifference(a: Float32Array, b: Float32Array): number {
  let worst = a.length === b.length ? 0 : Infinity;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
  return worst;
}

/** Cuts y into consecutive pieces of the given lengths; the last takes the rest. */
export function pieces(y: Float32Array, lengths: readonly number[]): Float32Array[] {
  const parts: Float32Array[] = [];
  let at = 0;
  for (const length of lengths) {
    parts.push(y.slice(at, at + length));
    at += length;
  }
  parts.push(y.slice(at));
  return parts;
}

export function concat(parts: readonly Float32Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => Array.from(part)));
}
