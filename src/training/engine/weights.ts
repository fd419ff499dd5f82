/**
 * The network's numbers in flat arrays: one for all trainable values, one for batch norm's running statistics, each
 * parameter a slice. Flat, since the optimiser then is a single pass and a checkpoint a handful of arrays.
 *
 * Inside, convolution weights are HWIO and the linear layer [in, out], as TensorFlow wants them; state dicts have
 * torchvision's names and layouts.
 */
import { standardNormal } from '../../common/random.js';
import { phaseFrameHead, phaseParameters } from '../../inference/phase-branch.js';
import { parameters, type ParameterSpec, type ResNetSpec } from '../../inference/resnet34.js';
import { elementCount, type StateDict, type Tensor } from '../../inference/state-dict.js';
import { FRAME_BIAS, FRAME_WEIGHT, type FrameHead, frameParameters } from '../../inference/frame-head.js';

export interface Slot {
  spec: ParameterSpec;
  /** Shape as TensorFlow wants it. */
  shape: number[];
  /** Where it lies in its flat array. */
  start: number;
  length: number;
}

/** What became of a state dict: names of parameters. */
export interface LoadReport {
  /** Taken as they were. */
  loaded: string[];
  /** Of this network, not in the dict: left as they were. */
  missing: string[];
  /** In the dict with a shape that does not fit: left as they were. */
  mismatched: string[];
  /** Taken after summing the input channels of the stem. */
  adapted: string[];
  /** In the dict, not of this network. */
  unused: string[];
}

/** Where every parameter lies; shared by weights, gradients, moments and averages. */
export class Layout {
  readonly slots = new Map<string, Slot>();
  readonly trainableCount: number;
  readonly statisticsCount: number;

  readonly frameHead: FrameHead | undefined;

  /** @param frameHead of a network without a phase branch, which has its own; its parameters lie behind the network's. */
  constructor(
    readonly network: ResNetSpec,
    frameHead?: FrameHead,
  ) {
    const { phase } = network;
    this.frameHead = phase ? phaseFrameHead(network, phase) : frameHead;
    let trainable = 0;
    let statistics = 0;
    for (const spec of [...parameters(network), ...(phase ? phaseParameters(network, phase) : frameHead ? frameParameters(frameHead) : [])]) {
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

  /** Torchvision's parameters, those of a phase branch, and those of a frame head without one only where asked for. */
  toStateDict({ frameHead = this.layout.network.phase !== undefined } = {}): StateDict {
    const wanted = [...this.layout.slots.values()].filter(({ spec }) => frameHead || !ofFrameHead(spec.name));
    return new Map(wanted.map(({ spec }) => [spec.name, { shape: [...spec.shape], data: toOuter(spec, this.of(spec.name)) }]));
  }

  /**
   * Takes what fits. A first convolution for more channels than this network's one (an ImageNet stem) is summed over
   * them: what it would give for a grey image repeated in every channel. A frame head that only one side has is no
   * news: one of another shape is reported as mismatched.
   */
  load(state: StateDict): LoadReport {
    const report: LoadReport = { loaded: [], missing: [], mismatched: [], adapted: [], unused: [] };
    for (const { spec } of this.layout.slots.values()) {
      const tensor = state.get(spec.name);
      if (!tensor) {
        if (!ofFrameHead(spec.name)) report.missing.push(spec.name);
        continue;
      }
      const fits = sameShape(tensor.shape, spec.shape);
      const data = fits ? tensor.data : summedStem(spec, tensor);
      if (!data) {
        report.mismatched.push(spec.name);
        continue;
      }
      this.of(spec.name).set(toInner(spec, data));
      (fits ? report.loaded : report.adapted).push(spec.name);
    }
    const known = (name: string) => this.layout.slots.has(name) || ofFrameHead(name) || name.endsWith('num_batches_tracked');
    report.unused.push(...[...state.keys()].filter((name) => !known(name)));
    return report;
  }
}

const ofFrameHead = (name: string) => name === FRAME_WEIGHT || name === FRAME_BIAS;

const sameShape = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((size, axis) => size === b[axis]);

/** The stem summed over its input channels; null where that is not what differs. */
function summedStem(spec: ParameterSpec, { shape, data }: Tensor): Float32Array | null {
  const [out = 0, channels = 0, height = 0, width = 0] = shape;
  if (spec.name !== 'conv1.weight' || spec.shape[1] !== 1 || !sameShape([out, 1, height, width], spec.shape)) return null;
  const area = height * width;
  const sum = new Float32Array(out * area);
  for (let o = 0; o < out; o++) {
    for (let c = 0; c < channels; c++) {
      for (let k = 0; k < area; k++) sum[o * area + k]! += data[(o * channels + c) * area + k]!;
    }
  }
  return sum;
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
    const bound = 1 / Math.sqrt(spec.kind === 'linearBias' ? weights.layout.slot(spec.name.replace('bias', 'weight')).spec.shape[1]! : inputs);
    for (let i = 0; i < length; i++) {
      if (spec.kind === 'convWeight') values[i] = std * standardNormal(random);
      else if (spec.kind === 'bnVariance') values[i] = 1;
      else if (spec.kind === 'bnScale') values[i] = spec.name.endsWith('bn2.weight') ? 0 : 1;
      else if (spec.kind === 'linearWeight' || spec.kind === 'linearBias') values[i] = bound * (2 * random() - 1);
      else values[i] = 0;
    }
  }
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
