/**
 * Forward and backward pass of the ResNet on TensorFlow's kernels. The backward pass is written out: each forward step
 * leaves a closure that turns the gradient of its output into that of its input and stores those of its parameters.
 * Tensors are freed as soon as nothing needs them, so memory is that of the activations.
 */
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { basicBlocks, type BasicBlockSpec, type ConvBnSpec, type ResNetSpec, stem } from '../../inference/resnet34.js';
import type { Kernels, Tensor } from './kernels.js';
import type { Layout, Weights } from './weights.js';

/** Turns dL/d(output) into dL/d(input), consuming it; null where no input gradient is wanted. */
type Backward = (dy: Tensor) => Tensor | null;

export interface TrainingPass {
  /** n × labels, row-major. */
  logits: Float32Array;
  /** Runs the backward pass, filling `gradients`; frees everything. */
  backward(dLogits: Float32Array): void;
}

export interface PassOptions {
  /** Multiplied with the pooled features, n × channels: dropout. */
  featureMask?: Float32Array;
  /** Leaves convolutions without gradient: fastai's frozen body, in which batch norm still learns. */
  freezeConvolutions: boolean;
}

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
   * Training pass. Updates the running statistics in `weights`.
   * @param x n × height × width values.
   * @param gradients flat array of the layout's trainables; written by `backward`.
   */
  train(x: Float32Array, [n, height, width]: [number, number, number], weights: Weights, gradients: Float32Array, options: PassOptions): TrainingPass {
    const pass = new Pass(this.kernels, this.layout, weights, gradients, options.freezeConvolutions);
    const input = this.kernels.tf.tensor4d(x, [n, height, width, 1]);
    const backs: Backward[] = [];
    let y = pass.stem(input, stem(this.spec), backs);
    for (const block of this.blocks) y = pass.block(y, block, backs);
    const { logits, back } = pass.head(y, options.featureMask);
    return {
      logits,
      backward: (dLogits) => {
        let dy: Tensor | null = back(dLogits);
        for (const step of backs.reverse()) if (dy) dy = step(dy);
        dy?.dispose();
        pass.release();
      },
    };
  }

  /** Inference pass with the running statistics. @returns n × labels logits. */
  predict(x: Float32Array, [n, height, width]: [number, number, number], weights: Weights): Float32Array {
    const { kernels } = this;
    const { tf } = kernels;
    return tf.tidy(() => {
      const unit = (input: Tensor, spec: ConvBnSpec) => {
        const w = (name: string) => parameterTensor(kernels, this.layout, weights, name);
        const z = kernels.conv(input, w(`${spec.conv}.weight`), spec);
        const y = kernels.batchNormInference(z, w(`${spec.bn}.weight`), w(`${spec.bn}.bias`), w(`${spec.bn}.running_mean`), w(`${spec.bn}.running_var`));
        z.dispose();
        return y;
      };
      let y: Tensor = tf.tidy(() => kernels.maxPool(kernels.padOne(kernels.relu(unit(tf.tensor4d(x, [n, height, width, 1]), stem(this.spec))))));
      for (const block of this.blocks) {
        const before = y;
        y = tf.tidy(() => {
          const second = unit(kernels.relu(unit(before, block.first)), block.second);
          return kernels.relu(kernels.add(second, block.downsample ? unit(before, block.downsample) : before));
        });
        before.dispose();
      }
      const pooled = tf.mean(y, [1, 2]) as Tensor2D;
      const fc = parameterTensor(kernels, this.layout, weights, 'fc.weight') as Tensor2D;
      const bias = parameterTensor(kernels, this.layout, weights, 'fc.bias');
      return tf.add(tf.matMul(pooled, fc), bias).dataSync() as Float32Array;
    });
  }
}

function parameterTensor(kernels: Kernels, layout: Layout, weights: Weights, name: string): Tensor {
  return kernels.tf.tensor(weights.of(name), layout.slot(name).shape as [number]);
}

/** One forward and backward pass; owns the parameter tensors it made. */
class Pass {
  private readonly made: Tensor[] = [];

  constructor(
    private readonly kernels: Kernels,
    private readonly layout: Layout,
    private readonly weights: Weights,
    private readonly gradients: Float32Array,
    private readonly frozen: boolean,
  ) {}

  release(): void {
    this.kernels.tf.dispose(this.made);
  }

  stem(input: Tensor, spec: ConvBnSpec, backs: Backward[]): Tensor {
    const { kernels } = this;
    const unit = this.convBn(input, spec, { inputGradient: false });
    const active = kernels.relu(unit.y);
    unit.y.dispose();
    const padded = kernels.padOne(active);
    const y = kernels.maxPool(padded);
    backs.push((dy) => {
      const dPadded = kernels.maxPoolGradient(padded, y, dy);
      const dActive = kernels.tf.slice(dPadded, [0, 1, 1, 0], active.shape);
      const dUnit = kernels.reluGradient(dActive, active);
      kernels.tf.dispose([dy, y, padded, dPadded, dActive, active]);
      unit.back(dUnit);
      input.dispose();
      return null;
    });
    return y;
  }

  block(x: Tensor, spec: BasicBlockSpec, backs: Backward[]): Tensor {
    const { kernels } = this;
    const first = this.convBn(x, spec.first);
    const middle = kernels.relu(first.y);
    first.y.dispose();
    const second = this.convBn(middle, spec.second);
    const side = spec.downsample ? this.convBn(x, spec.downsample) : null;
    const sum = kernels.add(second.y, side ? side.y : x);
    kernels.tf.dispose([second.y, ...(side ? [side.y] : [])]);
    const y = kernels.relu(sum);
    sum.dispose();
    backs.push((dy) => {
      const dSum = kernels.reluGradient(dy, y);
      kernels.tf.dispose([dy, y]);
      const dSide = side ? side.back(kernels.tf.clone(dSum))! : kernels.tf.clone(dSum);
      const dMiddle = second.back(dSum)!;
      const dFirst = kernels.reluGradient(dMiddle, middle);
      kernels.tf.dispose([dMiddle, middle]);
      const dMain = first.back(dFirst)!;
      const dx = kernels.add(dMain, dSide);
      kernels.tf.dispose([dMain, dSide]);
      return dx;
    });
    return y;
  }

  /** Mean over the image, dropout, linear layer. */
  head(y: Tensor, mask?: Float32Array): { logits: Float32Array; back: (dLogits: Float32Array) => Tensor } {
    const { tf } = this.kernels;
    const [n = 1, height = 1, width = 1, channels = 1] = y.shape;
    const w = this.parameter('fc.weight') as Tensor2D;
    const pooled = tf.mean(y, [1, 2]) as Tensor2D;
    const maskTensor = mask ? tf.tensor2d(mask, [n, channels]) : null;
    const features = maskTensor ? tf.mul(pooled, maskTensor) : pooled;
    const logits = tf.tidy(() => tf.add(tf.matMul(features as Tensor2D, w), this.parameter('fc.bias')).dataSync() as Float32Array);
    const back = (dLogits: Float32Array) =>
      tf.tidy(() => {
        const d = tf.tensor2d(dLogits, [n, dLogits.length / n]);
        this.store('fc.weight', tf.matMul(features as Tensor2D, d, true, false));
        this.store('fc.bias', tf.sum(d, 0));
        const dFeatures = tf.matMul(d, w, false, true);
        const dPooled = maskTensor ? tf.mul(dFeatures, maskTensor) : dFeatures;
        tf.dispose([pooled, features, ...(maskTensor ? [maskTensor] : [])]);
        const spread = tf.fill([1, height, width, 1], 1 / (height * width)) as Tensor4D;
        return tf.mul(tf.reshape(dPooled, [n, 1, 1, channels]), spread);
      });
    return { logits, back };
  }

  private convBn(x: Tensor, spec: ConvBnSpec, { inputGradient = true } = {}): { y: Tensor; back: Backward } {
    const { kernels } = this;
    const w = this.parameter(`${spec.conv}.weight`);
    const scale = this.parameter(`${spec.bn}.weight`);
    const z = kernels.conv(x, w, spec);
    const bn = kernels.batchNorm(z, scale, this.parameter(`${spec.bn}.bias`));
    this.follow(`${spec.bn}.running_mean`, bn.mean);
    this.follow(`${spec.bn}.running_var`, bn.variance);
    const back: Backward = (dy) => {
      const { dx: dz, dScale, dShift } = kernels.batchNormGradient(dy, z, scale, bn.reserved);
      this.store(`${spec.bn}.weight`, dScale);
      this.store(`${spec.bn}.bias`, dShift);
      kernels.tf.dispose([dy, z, ...bn.reserved]);
      if (!this.frozen) this.store(`${spec.conv}.weight`, kernels.convFilterGradient(x, w.shape, dz, spec));
      const dx = inputGradient ? kernels.convInputGradient(x.shape, w, dz, spec) : null;
      dz.dispose();
      return dx;
    };
    return { y: bn.y, back };
  }

  private parameter(name: string): Tensor {
    const tensor = parameterTensor(this.kernels, this.layout, this.weights, name);
    this.made.push(tensor);
    return tensor;
  }

  private store(name: string, gradient: Tensor): void {
    this.gradients.set(gradient.dataSync() as Float32Array, this.layout.slot(name).start);
    gradient.dispose();
  }

  /** Moves a running statistic towards the batch's. */
  private follow(name: string, batch: Tensor): void {
    const running = this.weights.of(name);
    const now = batch.dataSync() as Float32Array;
    for (let i = 0; i < running.length; i++) running[i]! += STATISTICS_MOMENTUM * (now[i]! - running[i]!);
    batch.dispose();
  }
}
