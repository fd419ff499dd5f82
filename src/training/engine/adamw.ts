/**
 * AdamW (Loshchilov & Hutter 2019, algorithm 2) and the moving average of the weights, on TensorFlow's own optimiser
 * kernels, which update variables in place and in parallel (measured: 12 ms for 21 M parameters, 114 ms in JavaScript).
 */
import type { Handle, Kernels } from './kernels.js';
import type { Variables } from './variables.js';
import type { Layout } from './weights.js';

export interface AdamWOptions {
  beta2: number;
  epsilon: number;
  /** Decoupled decay, not applied to batch norm and biases. */
  weightDecay: number;
}

/** A parameter with its own settings. */
export interface Group {
  name: string;
  decays: boolean;
  /** Multiplies the learning rate; 0 freezes. */
  rate: number;
}

export interface AdamState {
  first: Variables;
  second: Variables;
  /** Steps taken. */
  step: number;
}

/** The trainable parameters of a layout; `rateOf` gives each one's learning-rate multiplier (discriminative rates). */
export function groupsOf(layout: Layout, rateOf: (name: string) => number): Group[] {
  return [...layout.slots.values()]
    .filter(({ spec }) => spec.trainable)
    .map(({ spec }) => ({ name: spec.name, decays: spec.kind === 'convWeight' || spec.kind === 'linearWeight', rate: rateOf(spec.name) }));
}

/** Updates the values; parameters without gradient or with rate 0 stay as they are. */
export function adamW(
  kernels: Kernels,
  values: Variables,
  gradients: ReadonlyMap<string, Handle>,
  state: AdamState,
  groups: readonly Group[],
  { learningRate, beta1 }: { learningRate: number; beta1: number },
  { beta2, epsilon, weightDecay }: AdamWOptions,
): void {
  state.step += 1;
  const scalar = memoised((value: number) => kernels.scalar(value));
  for (const { name, decays, rate } of groups) {
    const gradient = gradients.get(name);
    if (rate === 0 || gradient === undefined) continue;
    const size = learningRate * rate;
    const variable = values.of(name);
    if (decays && weightDecay > 0) decay(kernels, variable, scalar(size * weightDecay));
    const settings = [beta1 ** state.step, beta2 ** state.step, size, beta1, beta2, epsilon].map(scalar);
    kernels.adam(variable, state.first.of(name), state.second.of(name), settings, gradient);
  }
}

/** variable ← (1 − share)·variable. */
function decay(kernels: Kernels, variable: Handle, share: Handle): void {
  const value = kernels.read(variable);
  const part = kernels.multiply(value, share);
  kernels.free(value);
  kernels.assignSubtract(variable, part);
  kernels.free(part);
}

/** average ← decay·average + (1 − decay)·values. */
export function follow(kernels: Kernels, average: Variables, values: Variables, groups: readonly Group[], decay: number): void {
  const share = kernels.scalar(1 - decay);
  for (const { name } of groups) {
    const [behind, ahead] = [average.read(name), values.read(name)];
    const gap = kernels.subtract(behind, ahead);
    kernels.free(behind, ahead);
    kernels.descend(average.of(name), share, gap);
    kernels.free(gap);
  }
}

function memoised(make: (value: number) => Handle): (value: number) => Handle {
  const made = new Map<number, Handle>();
  return (value) => {
    let found = made.get(value);
    if (!found) made.set(value, (found = make(value)));
    return found;
  };
}
