/** From logits to calibrated probabilities: softmax(logits / temperature), Guo et al., "On Calibration of Modern Neural Networks" (2017). */

/**
 * @param logits count × labels, row-major.
 * @param labels row length.
 * @param temperature > 0; 1 leaves the model's own confidence, more softens it.
 * @returns a new array of the same shape; every row sums to 1. A row with NaN gives NaN.
 */
export function calibratedSoftmax(logits: ArrayLike<number>, labels: number, temperature: number): Float32Array {
  const probabilities = new Float32Array(logits.length);
  for (let row = 0; row < logits.length; row += labels) {
    // The largest logit is taken off first, so that no exponential overflows.
    let largest = -Infinity;
    for (let i = row; i < row + labels; i++) largest = Math.max(largest, logits[i]!);
    let sum = 0;
    for (let i = row; i < row + labels; i++) sum += probabilities[i] = Math.exp((logits[i]! - largest) / temperature);
    for (let i = row; i < row + labels; i++) probabilities[i] = probabilities[i]! / sum;
  }
  return probabilities;
}
