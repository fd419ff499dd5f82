/**
 * Cross-entropy over marginalised labels. A label is a set of classes (a 0/1 mask): "abnormal" = {murmur,
 * extrasystole}. L(S) = −log Σ_{c∈S} p_c with p the softmax; a sample may mix two sets (mixup), and label smoothing
 * spreads a part ε of the loss over all classes.
 */

export interface LossInputs {
  /** n × classes masks, each row with at least one 1. */
  setsA: Float32Array;
  setsB: Float32Array;
  /** Share of setsA per sample, 0…1. */
  lambda: Float32Array;
  /** Weight per sample; absent = 1. */
  weight?: Float32Array;
  /** ε, 0…1. */
  smoothing: number;
}

/** Mean loss over the batch and its gradient by the logits. */
export function setLoss(logits: Float32Array, n: number, inputs: LossInputs): { loss: number; gradient: Float32Array } {
  const classes = logits.length / n;
  const gradient = new Float32Array(logits.length);
  const p = new Float64Array(classes);
  let total = 0;
  for (let row = 0; row < n; row++) {
    const at = row * classes;
    softmax(logits, at, p);
    const weight = (inputs.weight?.[row] ?? 1) / n;
    const a = inputs.lambda[row]! * (1 - inputs.smoothing);
    const b = (1 - inputs.lambda[row]!) * (1 - inputs.smoothing);
    const massA = mass(p, inputs.setsA, at);
    const massB = mass(p, inputs.setsB, at);
    let loss = 0;
    if (a > 0) loss -= a * Math.log(massA);
    if (b > 0) loss -= b * Math.log(massB);
    for (let c = 0; c < classes; c++) {
      const pc = p[c]!;
      loss -= (inputs.smoothing / classes) * Math.log(Math.max(pc, 1e-30));
      const pulled = a * inputs.setsA[at + c]! * (pc / massA) + b * inputs.setsB[at + c]! * (pc / massB);
      gradient[at + c] = weight * ((a + b) * pc - pulled + inputs.smoothing * (pc - 1 / classes));
    }
    total += weight * loss;
  }
  return { loss: total, gradient };
}

/** Softmax of the `out.length` logits from `at` on. */
export function softmax(logits: Float32Array, at: number, out: Float64Array): void {
  let max = -Infinity;
  for (let c = 0; c < out.length; c++) max = Math.max(max, logits[at + c]!);
  let sum = 0;
  for (let c = 0; c < out.length; c++) sum += out[c] = Math.exp(logits[at + c]! - max);
  for (let c = 0; c < out.length; c++) out[c]! /= sum;
}

function mass(p: Float64Array, sets: Float32Array, at: number): number {
  let sum = 0;
  for (let c = 0; c < p.length; c++) sum += sets[at + c]! * p[c]!;
  return Math.max(sum, 1e-30);
}
