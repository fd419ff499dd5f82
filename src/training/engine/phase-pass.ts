/**
 * The phase branch in training (formula and parameters: src/inference/phase-branch.ts): its logits, and the gradients of
 * its own parameters. None flows on into the frame head or the trunk, which have learnt from the states and the labels
 * before: where in the beat a frame is must not become whatever suits the label.
 */
import { phaseFrameHead, PHASE_HIDDEN_BIAS, PHASE_HIDDEN_WEIGHT, PHASE_OUT_BIAS, PHASE_OUT_WEIGHT, PHASE_SHARE } from '../../inference/phase-branch.js';
import type { PhaseBranchSpec, ResNetSpec } from '../../inference/resnet34.js';
import { frameProbabilities } from './frame-loss.js';
import type { Handle, Kernels } from './kernels.js';

/** Probability of dropping a hidden unit while training. */
const HIDDEN_DROPOUT = 0.1;

export interface PhasePass {
  /** n × members × labels, row-major. */
  logits: Float32Array;
  /** Gradients by parameter name from those of the logits. */
  backward(dLogits: Float32Array): Map<string, Handle>;
}

/** Forward pass from the means by phase (n × height·phases). `random`: draws dropout; absent: none, as in a prediction. */
export function phasePass(kernels: Kernels, { labels }: ResNetSpec, branch: PhaseBranchSpec, read: (name: string) => Handle, means: Float32Array, n: number, random?: () => number): PhasePass {
  const { members, hidden } = branch;
  const units = members * hidden;
  const input = kernels.tensor(means, [n, means.length / n]);
  const h = kernels.values(kernels.relu(kernels.add(kernels.matMul(input, read(PHASE_HIDDEN_WEIGHT)), read(PHASE_HIDDEN_BIAS)))).slice();
  if (random) drop(h, random);
  const [w, b] = [kernels.values(read(PHASE_OUT_WEIGHT)), kernels.values(read(PHASE_OUT_BIAS))];
  const outputs = members * labels;
  const logits = Float32Array.from({ length: n * outputs }, (_, i) => b[i % outputs]!);
  forEachLink(n, branch, labels, (unit, weight, out) => (logits[out]! += h[unit]! * w[weight]!));
  const backward = (dLogits: Float32Array) => {
    const dW = new Float32Array(w.length);
    const dH = new Float32Array(h.length);
    forEachLink(n, branch, labels, (unit, weight, out) => {
      dW[weight]! += h[unit]! * dLogits[out]!;
      dH[unit]! += w[weight]! * dLogits[out]!;
    });
    for (let i = 0; i < dH.length; i++) dH[i] = h[i]! > 0 ? dH[i]! * (random ? 1 / (1 - HIDDEN_DROPOUT) : 1) : 0;
    const d = kernels.tensor(dH, [n, units]);
    return new Map([
      [PHASE_HIDDEN_WEIGHT, kernels.matMul(input, d, { a: true })],
      [PHASE_HIDDEN_BIAS, kernels.sum(d, [0])],
      [PHASE_OUT_WEIGHT, kernels.tensor(dW, [hidden, outputs])],
      [PHASE_OUT_BIAS, kernels.sum(kernels.tensor(dLogits, [n, outputs]), [0])],
    ]);
  };
  return { logits, backward };
}

/**
 * Mean of the input over time in each phase, F_bk = Σ_t p_tk·x_bt / Σ_t p_tk.
 * @param x n × height × width.
 * @param frameLogits of the frame head, n × columns × K × phases.
 * @returns n × height × phases.
 */
export function meansByPhase(spec: ResNetSpec, branch: PhaseBranchSpec, x: Float32Array, frameLogits: Float32Array, n: number): Float32Array {
  const { height, width, phases } = branch;
  const p = frameProbabilities(frameLogits, n, phaseFrameHead(spec, branch));
  const means = new Float32Array(n * height * phases);
  const mass = new Float64Array(phases);
  const sum = new Float64Array(phases);
  for (let row = 0; row < n; row++) {
    const at = row * width * phases;
    mass.fill(0);
    for (let i = 0; i < width * phases; i++) mass[i % phases]! += p[at + i]!;
    for (let band = 0; band < height; band++) {
      sum.fill(0);
      const line = (row * height + band) * width;
      for (let t = 0; t < width; t++) for (let k = 0; k < phases; k++) sum[k]! += p[at + t * phases + k]! * x[line + t]!;
      for (let k = 0; k < phases; k++) means[(row * height + band) * phases + k] = sum[k]! / Math.max(mass[k]!, 1e-30);
    }
  }
  return means;
}

/** The trunk's logits (n × labels) and the mean of the members', each at its share. */
export function joinedLogits(trunk: Float32Array, byMember: Float32Array, labels: number): Float32Array {
  const members = byMember.length / trunk.length;
  return trunk.map((value, i) => {
    const row = Math.floor(i / labels);
    let sum = 0;
    for (let m = 0; m < members; m++) sum += byMember[(row * members + m) * labels + (i % labels)]!;
    return (1 - PHASE_SHARE) * value + (PHASE_SHARE * sum) / members;
  });
}

/** Zeroes values at random and scales the rest, in place. */
function drop(values: Float32Array, random: () => number): void {
  for (let i = 0; i < values.length; i++) values[i] = random() < HIDDEN_DROPOUT ? 0 : values[i]! / (1 - HIDDEN_DROPOUT);
}

/** Every link between a hidden unit and a logit: where the unit, its weight ([hidden, members·labels]) and the logit are. */
function forEachLink(n: number, { members, hidden }: PhaseBranchSpec, labels: number, visit: (unit: number, weight: number, out: number) => void): void {
  for (let row = 0; row < n; row++) {
    for (let m = 0; m < members; m++) {
      for (let h = 0; h < hidden; h++) {
        for (let label = 0; label < labels; label++) visit((row * members + m) * hidden + h, (h * members + m) * labels + label, (row * members + m) * labels + label);
      }
    }
  }
}
