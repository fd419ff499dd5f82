/**
 * The network's numbers in flat arrays: one for all trainable values, one for batch norm's running statistics, each
 * parameter a slice. Flat, since the optimiser then is a single pass and a checkpoint a handful of arrays.
 *
 * Inside, convolution weights are HWIO and the linear layer [in, out], as TensorFlow wants them; state dicts have
 * torchvision's names and layouts.
 */
import { parameters, type ParameterSpec, type ResNetSpec } from '../../inference/resnet34.js';
import { elementCount, type StateDict } from '../../inference/state-dict.js';

export interface Slot {
  spec: ParameterSpec;
  /** Shape as TensorFlow wants it. */
  shape: number[];
  /** Where it lies in its flat array. */
  start: number;
  length: number;
}

/** Where every parameter lies; shared by weights, gradients, moments and averages. */
export class Layout {
  readonly slots = new Map<string, Slot>();
  readonly trainableCount: number;
  readonly statisticsCount: number;

  constructor(readonly network: ResNetSpec) {
    let trainable = 0;
    let statistics = 0;
    for (const spec of parameters(network)) {
      const length = elementCount(spec.shape);
      const start = spec.trainable ? trainable : statistics;
      this.slots.set(spec.name, { spec, shape: innerShape(spec), start, length });
      if (spec.trainable) trainable += length;
      else statistics += length;
    }
    this.trainableCount = trainable;
    this.statisticsCount = statistics;
  }

  slot(name: string): Slot {
    const found = this.slots.get(name);
    if (!found) throw new Error(`the network has no parameter ${name}`);
    return found;
  }
}

/** One set of numbers: trainable values and running statistics. */
export class Weights {
  readonly values: Float32Array;
  readonly statistics: Float32Array;

  constructor(readonly layout: Layout) {
    this.values = new Float32Array(layout.trainableCount);
    this.statistics = new Float32Array(layout.statisticsCount);
  }

  /** The slice of a parameter (no copy). */
  of(name: string): Float32Array {
    const { spec, start, length } = this.layout.slot(name);
    return (spec.trainable ? this.values : this.statistics).subarray(start, start + length);
  }

  copyFrom(other: Weights): void {
    this.values.set(other.values);
    this.statistics.set(other.statistics);
  }

  toStateDict(): StateDict {
    return new Map(
      [...this.layout.slots.values()].map(({ spec }) => [spec.name, { shape: [...spec.shape], data: toOuter(spec, this.of(spec.name)) }]),
    );
  }

  /** Takes what fits; says what was taken, what the dict lacks and what has another shape. */
  load(state: StateDict): { loaded: string[]; missing: string[]; mismatched: string[] } {
    const report = { loaded: [] as string[], missing: [] as string[], mismatched: [] as string[] };
    for (const { spec } of this.layout.slots.values()) {
      const tensor = state.get(spec.name);
      if (!tensor) report.missing.push(spec.name);
      else if (tensor.shape.join() !== spec.shape.join()) report.mismatched.push(spec.name);
      else {
        this.of(spec.name).set(toInner(spec, tensor.data));
        report.loaded.push(spec.name);
      }
    }
    return report;
  }
}

/**
 * He-normal convolutions (fan out), batch norm at identity with the last scale of each block at zero (so that blocks
 * start as identity: Goyal et al. 2017, §5.1), linear layer uniform in ±1/√in.
 * @param random uniform in [0, 1).
 */
export function initialise(weights: Weights, random: () => number): void {
  for (const { spec, length } of weights.layout.slots.values()) {
    const values = weights.of(spec.name);
    const [out = 1, inputs = 1, kh = 1, kw = 1] = spec.shape;
    const std = Math.sqrt(2 / (out * kh * kw));
    const bound = 1 / Math.sqrt(spec.kind === 'linearWeight' ? inputs : weights.layout.slot('fc.weight').spec.shape[1]!);
    for (let i = 0; i < length; i++) {
      if (spec.kind === 'convWeight') values[i] = std * normal(random);
      else if (spec.kind === 'bnVariance') values[i] = 1;
      else if (spec.kind === 'bnScale') values[i] = spec.name.endsWith('bn2.weight') ? 0 : 1;
      else if (spec.kind === 'linearWeight' || spec.kind === 'linearBias') values[i] = bound * (2 * random() - 1);
      else values[i] = 0;
    }
  }
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function innerShape({ kind, shape }: ParameterSpec): number[] {
  if (kind === 'convWeight') return [shape[2]!, shape[3]!, shape[1]!, shape[0]!];
  if (kind === 'linearWeight') return [shape[1]!, shape[0]!];
  return [...shape];
}

/** OIHW → HWIO, [out, in] → [in, out]; the rest as it is. */
function toInner(spec: ParameterSpec, outer: Float32Array): Float32Array {
  return permuted(spec, outer, (inner, outerIndex, innerIndex) => (inner[innerIndex] = outer[outerIndex]!));
}

function toOuter(spec: ParameterSpec, inner: Float32Array): Float32Array {
  return permuted(spec, inner, (outer, outerIndex, innerIndex) => (outer[outerIndex] = inner[innerIndex]!));
}

function permuted(spec: ParameterSpec, from: Float32Array, put: (to: Float32Array, outer: number, inner: number) => void): Float32Array {
  if (spec.kind !== 'convWeight' && spec.kind !== 'linearWeight') return from.slice();
  const [out = 1, inputs = 1, kh = 1, kw = 1] = spec.shape;
  const to = new Float32Array(from.length);
  let outer = 0;
  for (let o = 0; o < out; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let k = 0; k < kh * kw; k++, outer++) put(to, outer, (k * inputs + i) * out + o);
    }
  }
  return to;
}
