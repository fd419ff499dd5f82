/** The analysis window of the STFT. */

/**
 * Periodic Hann window of `length` samples, 0.5 − 0.5·cos(2πn/length): scipy's `get_window('hann', length)`, which
 * differs from the symmetric one that ends on zero.
 */
export function hannWindow(length: number): Float64Array {
  if (length === 1) return Float64Array.of(1);
  return Float64Array.from({ length }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / length));
}
