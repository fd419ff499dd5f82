/**
 * Forward and backward pass of the ResNet on TensorFlow's kernels. The backward pass is written out: each forward step
 * leaves a closure that turns the gradient of its output into that of its input and stores those of its parameters.
 * Big tensors are freed as soon as nothing needs them, so memory is that of the activations; the caller sweeps the rest.
 */
import { basicBlocks, type BasicBlockSpec, type ConvBnSpec, type ResNetSpec, stem } from '../../inference/resnet34.js';
import { FRAME_BIAS, FRAME_WEIGHT } from '../../inference/frame-head.js';
import type { Handle, Kernels } from './kernels.js';
import type { Layout } from './weights.js';

/** Turns dL/d(output) into dL/d(input), consuming it; null where no input gradient is wanted. */
type Backward = (dy: Handle) => Handle | null;

/** Where a pass finds its numbers. */
export interface ParameterSource {
  /** A trainable parameter as float32 tensor, the pass's to free. */
  read(name: string): Handle;
  /** A running statistic; training passes update it in place. */
  statistic(name: string): Float32Array;
}

export interface TrainingPass {
  /** n × labels, row-major. */
  logits: Float32Array;
  /** Of the frame head, n × columns × K × states; absent where not asked for. */
  frameLogits?: Float32Array;
  /** Runs the backward pass; gradients (float32) by parameter name. Without `dFrameLogits` the frame head has none. */
  backward(dLogits: Float32Array, dFrameLogits?: Float32Array): Map<string, Handle>;
}

export interface PassOptions {
  /** Multiplied with the pooled features, n × channels: dropout. */
  featureMask?: Float32Array;
  /** Leaves convolutions without gradient: fastai's frozen body, in which batch norm still learns. */
  freezeConvolutions: boolean;
  /** Activations and convolutions in bfloat16; sums, statistics, parameters and their gradients stay float32. */
  bfloat16: boolean;
  /** Runs the layout's frame head too; default false. */
  frames?: boolean;
}

/** What each place of the last feature map adds to each class. */
export interface ClassMaps {
  /** n × height × width × labels, row-major. */
  values: Float32Array;
  n: number;
  height: number;
  width: number;
  labels: number;
}

type Dims = readonly [n: number, height: number, width: number];

const STATISTICS_MOMENTUM = 0.1;

export class Network {
  private readonly blocks: BasicBlockSpec[];

  constructor(
    private readonly kernels: Kernels,
    private readonly layout: Layout,
    private readonly spec: ResNetSpec,
  ) {
    this.blocks = basicBlocks(spec);
  }

  /**
   * Training pass. Updates the running statistics of `source`.
   * @param x n × height × width values.
   */
  train(x: Float32Array, dims: Dims, source: ParameterSource, options: PassOptions): TrainingPass {
    const pass = new Pass(this.kernels, this.layout, source, options);
    const backs: Backward[] = [];
    let y = pass.stem(x, dims, stem(this.spec), backs);
    let frames: HeadPass | undefined;
    let dFrames: Handle | null = null;
    for (const block of this.blocks) {
      y = pass.block(y, block, backs);
      if (!options.frames || block.name !== this.layout.frameHead?.after) continue;
      frames = pass.frameHead(y);
      backs.push((dy) => (dFrames ? pass.joined(dy, dFrames) : dy));
    }
    const { logits, back } = pass.head(y, options.featureMask);
    return {
      logits,
      ...(frames && { frameLogits: frames.logits }),
      backward: (dLogits, dFrameLogits) => {
        let dy: Handle | null = back(dLogits);
        if (frames && dFrameLogits) dFrames = frames.back(dFrameLogits);
        for (const step of backs.reverse()) if (dy) dy = step(dy);
        pass.freeParameters();
        return pass.gradients;
      },
    };
  }

  /** Inference pass in float32 with the running statistics. @returns the trunk's n × labels logits; frames as a training pass. */
  predict(x: Float32Array, dims: Dims, source: ParameterSource, { frames = false } = {}): Pick<TrainingPass, 'logits' | 'frameLogits'> {
    const { kernels } = this;
    let frameLogits: Float32Array | undefined;
    const last = this.lastFeatures(x, dims, source, undefined, (features, name) => {
      if (frames && name === this.layout.frameHead?.after) frameLogits = this.frameLogits(features, source);
    });
    const logits = kernels.values(kernels.add(kernels.matMul(kernels.mean(last, [1, 2]), source.read('fc.weight')), source.read('fc.bias')));
    return frameLogits ? { logits, frameLogits } : { logits };
  }

  /** Inference pass of the frame head alone, no further than it needs. @returns n × columns × K × states logits. */
  predictFrames(x: Float32Array, dims: Dims, source: ParameterSource): Float32Array {
    return this.frameLogits(this.lastFeatures(x, dims, source, this.layout.frameHead?.after), source);
  }

  private frameLogits(features: Handle, source: ParameterSource): Float32Array {
    const { kernels } = this;
    const columns = kernels.reshape(kernels.mean(features, [1]), [-1, this.layout.frameHead?.channels ?? 0]);
    return kernels.values(kernels.add(kernels.matMul(columns, source.read(FRAME_WEIGHT)), source.read(FRAME_BIAS)));
  }

  /**
   * Class-activation maps of an inference pass: Σ_k w_ck · A_k at each place of the last feature map A (Zhou et al.
   * 2016). Pooling and classifier are linear, so a map's mean plus the class's bias is its logit.
   */
  classMaps(x: Float32Array, dims: Dims, source: ParameterSource): ClassMaps {
    const { kernels } = this;
    const features = this.lastFeatures(x, dims, source);
    const [n = 0, height = 0, width = 0, channels = 0] = features.shape;
    const places = kernels.reshape(features, [n * height * width, channels]);
    return { values: kernels.values(kernels.matMul(places, source.read('fc.weight'))), n, height, width, labels: this.spec.labels };
  }

  /** n × height × width × channels behind the last block, or the one named; `visit` sees what every block gives. */
  private lastFeatures(x: Float32Array, [n, height, width]: Dims, source: ParameterSource, last = this.blocks.at(-1)?.name, visit?: (features: Handle, block: string) => void): Handle {
    const { kernels } = this;
    const input = kernels.tensor(x, [n, height, width, 1]);
    const stemmed = this.unit(input, stem(this.spec), source);
    const padded = kernels.pad(stemmed, 1);
    const pooled = kernels.maxPool(padded);
    let y = kernels.relu(pooled);
    kernels.free(input, stemmed, padded, pooled);
    for (const block of this.blocks) {
      y = this.predictBlock(y, block, source);
      visit?.(y, block.name);
      if (block.name === last) break;
    }
    return y;
  }

  private predictBlock(x: Handle, spec: BasicBlockSpec, source: ParameterSource): Handle {
    const { kernels } = this;
    const first = this.unit(x, spec.first, source);
    const middle = kernels.relu(first);
    const second = this.unit(middle, spec.second, source);
    const side = spec.downsample ? this.unit(x, spec.downsample, source) : x;
    const sum = kernels.add(second, side);
    const y = kernels.relu(sum);
    kernels.free(x, first, middle, second, side, sum);
    return y;
  }

  private unit(x: Handle, spec: ConvBnSpec, source: ParameterSource): Handle {
    const { kernels } = this;
    const statistic = (name: string) => kernels.tensor(source.statistic(name), [spec.outChannels]);
    const padded = padsFirst(spec) ? kernels.pad(x, spec.pad) : x;
    const z = kernels.conv(padded, source.read(`${spec.conv}.weight`), afterPadding(spec));
    const [scale, shift] = [source.read(`${spec.bn}.weight`), source.read(`${spec.bn}.bias`)];
    const y = kernels.batchNormInference(z, scale, shift, statistic(`${spec.bn}.running_mean`), statistic(`${spec.bn}.running_var`));
    kernels.free(z, ...(padded === x ? [] : [padded]));
    return y;
  }
}

/** Strided convolutions get their padding as an operation of its own: see Kernels. */
const padsFirst = ({ stride, pad }: ConvBnSpec) => stride > 1 && pad > 0;
const afterPadding = (spec: ConvBnSpec) => (padsFirst(spec) ? { ...spec, pad: 0 } : spec);

/** A head's outputs, and what turns their gradient into that of the features it read. */
interface HeadPass {
  logits: Float32Array;
  back: (dLogits: Float32Array) => Handle;
}

/** One forward and backward pass. */
class Pass {
  readonly gradients = new Map<string, Handle>();
  private readonly reads: Handle[] = [];

  constructor(
    private readonly kernels: Kernels,
    private readonly layout: Layout,
    private readonly source: ParameterSource,
    private readonly options: PassOptions,
  ) {}

  /** An update in place is one only while nobody else holds the variable's value. */
  freeParameters(): void {
    this.kernels.free(...this.reads);
  }

  /** relu(maxPool(y)) is maxPool(relu(y)), at a quarter of the cost. */
  stem(x: Float32Array, [n, height, width]: Dims, spec: ConvBnSpec, backs: Backward[]): Handle {
    const { kernels } = this;
    const input = this.working(kernels.tensor(x, [n, height, width, 1]));
    const unit = this.convBn(input, spec, { inputGradient: false });
    kernels.free(input);
    const { y, argmax, padded } = this.pool(unit.y);
    backs.push((dy) => {
      const dPooled = kernels.toFloat32(dy);
      kernels.free(dy);
      const dPadded = kernels.maxPoolGradient(padded, argmax, dPooled);
      kernels.free(dPooled, padded, argmax);
      const dUnit = kernels.crop(dPadded, 1);
      kernels.free(dPadded);
      return unit.back(this.working(dUnit));
    });
    const active = kernels.relu(y);
    kernels.free(y);
    backs.push((dy) => {
      const dActive = kernels.reluGradient(dy, active);
      kernels.free(dy, active);
      return dActive;
    });
    return active;
  }

  /** In float32 whatever the precision, since only that is fast; consumes its input. */
  private pool(x: Handle): { y: Handle; argmax: Handle; padded: Handle } {
    const { kernels } = this;
    const full = kernels.toFloat32(x);
    const padded = kernels.pad(full, 1);
    kernels.free(x, full);
    const { y, argmax } = kernels.maxPoolWithArgmax(padded);
    return { y: this.working(y), argmax, padded };
  }

  block(x: Handle, spec: BasicBlockSpec, backs: Backward[]): Handle {
    const { kernels } = this;
    const first = this.convBn(x, spec.first);
    const middle = kernels.relu(first.y);
    kernels.free(first.y);
    const second = this.convBn(middle, spec.second);
    const side = spec.downsample ? this.convBn(x, spec.downsample) : null;
    const sum = kernels.add(second.y, side ? side.y : x);
    kernels.free(second.y, ...(side ? [side.y] : []));
    const y = kernels.relu(sum);
    kernels.free(sum);
    backs.push((dy) => {
      const dSum = kernels.reluGradient(dy, y);
      kernels.free(dy, y);
      const dSide = side ? side.back(kernels.identity(dSum)) : kernels.identity(dSum);
      const dMiddle = second.back(dSum);
      if (!dMiddle || !dSide) throw new Error('a block without input gradient');
      const dFirst = kernels.reluGradient(dMiddle, middle);
      kernels.free(dMiddle, middle);
      const dMain = first.back(dFirst);
      if (!dMain) throw new Error('a block without input gradient');
      const dx = kernels.add(dMain, dSide);
      kernels.free(dMain, dSide);
      return dx;
    });
    return y;
  }

  /** Mean over the image, dropout, linear layer: float32. */
  head(y: Handle, mask?: Float32Array): HeadPass {
    const { kernels } = this;
    const [n = 1, height = 1, width = 1, channels = 1] = y.shape;
    const w = this.parameter('fc.weight');
    const pooled = kernels.mean(kernels.toFloat32(y), [1, 2]);
    const maskTensor = mask ? kernels.tensor(mask, [n, channels]) : null;
    const features = maskTensor ? kernels.multiply(pooled, maskTensor) : pooled;
    const logits = kernels.values(kernels.add(kernels.matMul(features, w), this.parameter('fc.bias')));
    const back = (dLogits: Float32Array) => {
      const d = kernels.tensor(dLogits, [n, dLogits.length / n]);
      this.gradients.set('fc.weight', kernels.matMul(features, d, { a: true }));
      this.gradients.set('fc.bias', kernels.sum(d, [0]));
      const dFeatures = kernels.matMul(d, w, { b: true });
      const dPooled = maskTensor ? kernels.multiply(dFeatures, maskTensor) : dFeatures;
      const spread = kernels.tensor(new Float32Array(height * width).fill(1 / (height * width)), [1, height, width, 1]);
      return this.working(kernels.multiply(kernels.reshape(dPooled, [n, 1, 1, channels]), spread));
    };
    return { logits, back };
  }

  /** Mean over the frequencies, linear layer per column: float32. Leaves its input to the caller. */
  frameHead(y: Handle): HeadPass {
    const { kernels } = this;
    const [n = 1, height = 1, width = 1, channels = 1] = y.shape;
    const w = this.parameter(FRAME_WEIGHT);
    const full = kernels.toFloat32(y);
    const features = kernels.reshape(kernels.mean(full, [1]), [n * width, channels]);
    kernels.free(full);
    const logits = kernels.values(kernels.add(kernels.matMul(features, w), this.parameter(FRAME_BIAS)));
    const back = (dLogits: Float32Array) => {
      const d = kernels.tensor(dLogits, [n * width, dLogits.length / (n * width)]);
      this.gradients.set(FRAME_WEIGHT, kernels.matMul(features, d, { a: true }));
      this.gradients.set(FRAME_BIAS, kernels.sum(d, [0]));
      const dFeatures = kernels.matMul(d, w, { b: true });
      const spread = kernels.tensor(new Float32Array(height).fill(1 / height), [1, height, 1, 1]);
      return this.working(kernels.multiply(kernels.reshape(dFeatures, [n, 1, width, channels]), spread));
    };
    return { logits, back };
  }

  /** Sum of two gradients of the same features; consumes both. */
  joined(a: Handle, b: Handle): Handle {
    const sum = this.kernels.add(a, b);
    this.kernels.free(a, b);
    return sum;
  }

  private convBn(x: Handle, spec: ConvBnSpec, { inputGradient = true } = {}): { y: Handle; back: Backward } {
    const { kernels } = this;
    const geometry = afterPadding(spec);
    // Padded or not, the backward pass needs this input; a handle of its own lets the caller free theirs.
    const input = padsFirst(spec) ? kernels.pad(x, spec.pad) : kernels.identity(x);
    const w = this.working(this.parameter(`${spec.conv}.weight`));
    const scale = this.parameter(`${spec.bn}.weight`);
    const z = kernels.conv(input, w, geometry);
    const bn = kernels.batchNorm(z, scale, this.parameter(`${spec.bn}.bias`));
    this.follow(`${spec.bn}.running_mean`, bn.mean);
    this.follow(`${spec.bn}.running_var`, bn.variance);
    const back: Backward = (dy) => {
      const { dx: dz, dScale, dShift } = kernels.batchNormGradient(dy, z, scale, bn.reserved);
      this.gradients.set(`${spec.bn}.weight`, dScale);
      this.gradients.set(`${spec.bn}.bias`, dShift);
      kernels.free(dy, z, ...bn.reserved);
      if (!this.options.freezeConvolutions) this.storeFilterGradient(spec, input, dz);
      const dx = inputGradient ? this.inputGradient(spec, input.shape, w, dz) : null;
      kernels.free(dz, input, w);
      return dx;
    };
    return { y: bn.y, back };
  }

  private storeFilterGradient(spec: ConvBnSpec, input: Handle, dz: Handle): void {
    const { kernels } = this;
    const name = `${spec.conv}.weight`;
    const gradient = kernels.convFilterGradient(input, this.layout.slot(name).shape, dz, afterPadding(spec));
    this.gradients.set(name, kernels.toFloat32(gradient));
    kernels.free(gradient);
  }

  private inputGradient(spec: ConvBnSpec, shape: readonly number[], w: Handle, dz: Handle): Handle {
    const { kernels } = this;
    const dInput = kernels.convInputGradient(shape, w, dz, afterPadding(spec));
    if (!padsFirst(spec)) return dInput;
    const dx = kernels.crop(dInput, spec.pad);
    kernels.free(dInput);
    return dx;
  }

  private parameter(name: string): Handle {
    const value = this.source.read(name);
    this.reads.push(value);
    return value;
  }

  /** In the precision that this pass computes with; consumes the float32 tensor. */
  private working(x: Handle): Handle {
    if (!this.options.bfloat16) return x;
    const y = this.kernels.toBfloat16(x);
    this.kernels.free(x);
    return y;
  }

  /** Moves a running statistic towards the batch's. */
  private follow(name: string, batch: Handle): void {
    const running = this.source.statistic(name);
    const now = this.kernels.values(batch);
    for (let i = 0; i < running.length; i++) running[i]! += STATISTICS_MOMENTUM * (now[i]! - running[i]!);
    this.kernels.free(batch);
  }
}
