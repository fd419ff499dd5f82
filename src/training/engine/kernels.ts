/**
 * TensorFlow's own kernels, called one by one. Training runs these directly, with backward passes written out, since
 * tfjs composes batch norm, its gradient and ReLU's of many small operations (measured: half the speed).
 *
 * Layout NHWC, convolution weights HWIO. Every result is a new tensor that the caller disposes of.
 */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { StageError } from '../../common/stage-error.js';
import type { TensorFlow } from './tensorflow.js';

interface Attribute {
  name: string;
  type: number;
  value: unknown;
}

interface NodeBackend {
  binding: Record<'TF_ATTR_TYPE' | 'TF_ATTR_INT' | 'TF_ATTR_STRING' | 'TF_ATTR_BOOL' | 'TF_ATTR_FLOAT' | 'TF_FLOAT', number>;
  executeSingleOutput(name: string, attributes: Attribute[], inputs: Tensor[]): Tensor;
  executeMultipleOutputs(name: string, attributes: Attribute[], inputs: Tensor[], outputs: number): Tensor[];
}

/** Geometry of a convolution: square kernel, equal stride and zero padding on both axes. */
export interface ConvGeometry {
  kernel: number;
  stride: number;
  pad: number;
}

export type { Tensor };

/** What FusedBatchNormV3 gives in training: y and what its gradient needs. */
export interface BatchNormResult {
  y: Tensor;
  /** Mean and (Bessel-corrected) variance of the batch, [channels]. */
  mean: Tensor;
  variance: Tensor;
  reserved: [Tensor, Tensor, Tensor];
}

export class Kernels {
  private readonly backend: NodeBackend;
  private readonly empty: Tensor;

  constructor(
    readonly tf: TensorFlow,
    private readonly epsilon: number,
  ) {
    this.backend = tf.backend() as unknown as NodeBackend;
    this.empty = tf.keep(tf.tensor1d([]));
  }

  conv(x: Tensor, w: Tensor, geometry: ConvGeometry): Tensor {
    return this.one('Conv2D', this.convAttributes(geometry), [x, w]);
  }

  convInputGradient(shape: readonly number[], w: Tensor, dy: Tensor, geometry: ConvGeometry): Tensor {
    return this.withSizes(shape, (sizes) => this.one('Conv2DBackpropInput', this.convAttributes(geometry), [sizes, w, dy]));
  }

  convFilterGradient(x: Tensor, shape: readonly number[], dy: Tensor, geometry: ConvGeometry): Tensor {
    return this.withSizes(shape, (sizes) => this.one('Conv2DBackpropFilter', this.convAttributes(geometry), [x, sizes, dy]));
  }

  /** Batch norm over N, H, W with the batch's own statistics. */
  batchNorm(x: Tensor, scale: Tensor, shift: Tensor): BatchNormResult {
    const attributes = [...this.batchNormAttributes(true), this.float('exponential_avg_factor', 1)];
    const [y, mean, variance, r1, r2, r3] = this.many('FusedBatchNormV3', attributes, [x, scale, shift, this.empty, this.empty], 6) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
    return { y, mean, variance, reserved: [r1, r2, r3] };
  }

  /** Batch norm with given statistics. */
  batchNormInference(x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor): Tensor {
    const [y, ...rest] = this.many('FusedBatchNormV3', this.batchNormAttributes(false), [x, scale, shift, mean, variance], 6) as [Tensor, ...Tensor[]];
    this.tf.dispose(rest);
    return y;
  }

  batchNormGradient(dy: Tensor, x: Tensor, scale: Tensor, reserved: readonly Tensor[]): { dx: Tensor; dScale: Tensor; dShift: Tensor } {
    const [dx, dScale, dShift, ...rest] = this.many('FusedBatchNormGradV3', this.batchNormAttributes(true), [dy, x, scale, ...reserved], 5) as [Tensor, Tensor, Tensor, ...Tensor[]];
    this.tf.dispose(rest);
    return { dx, dScale, dShift };
  }

  relu(x: Tensor): Tensor {
    return this.one('Relu', [this.float32()], [x]);
  }

  /** Gradient of relu where `y` is its output. */
  reluGradient(dy: Tensor, y: Tensor): Tensor {
    return this.one('ReluGrad', [this.float32()], [dy, y]);
  }

  add(a: Tensor, b: Tensor): Tensor {
    return this.one('AddV2', [this.float32()], [a, b]);
  }

  /** 3×3/2 max pool over an already padded input. */
  maxPool(padded: Tensor): Tensor {
    return this.one('MaxPool', this.poolAttributes(), [padded]);
  }

  maxPoolGradient(padded: Tensor, y: Tensor, dy: Tensor): Tensor {
    return this.one('MaxPoolGrad', this.poolAttributes(), [padded, y, dy]);
  }

  /** Zero padding of one pixel all round; enough for the pool, since what it pools is never negative. */
  padOne(x: Tensor): Tensor {
    return this.tf.pad(x as Tensor4D, [[0, 0], [1, 1], [1, 1], [0, 0]]);
  }

  private convAttributes({ kernel, stride, pad }: ConvGeometry): Attribute[] {
    // SAME is symmetric only for stride 1; EXPLICIT is what PyTorch's padding means.
    const same = stride === 1 && pad === (kernel - 1) / 2;
    const padding = pad === 0 ? 'VALID' : same ? 'SAME' : 'EXPLICIT';
    return [
      this.float32(),
      this.ints('strides', [1, stride, stride, 1]),
      this.text('padding', padding),
      ...(padding === 'EXPLICIT' ? [this.ints('explicit_paddings', [0, 0, pad, pad, pad, pad, 0, 0])] : []),
      this.text('data_format', 'NHWC'),
      this.flag('use_cudnn_on_gpu', true),
      this.ints('dilations', [1, 1, 1, 1]),
    ];
  }

  private poolAttributes(): Attribute[] {
    return [this.float32(), this.ints('ksize', [1, 3, 3, 1]), this.ints('strides', [1, 2, 2, 1]), this.text('padding', 'VALID'), this.text('data_format', 'NHWC')];
  }

  private batchNormAttributes(training: boolean): Attribute[] {
    return [
      this.float32(),
      { name: 'U', type: this.backend.binding.TF_ATTR_TYPE, value: this.backend.binding.TF_FLOAT },
      this.float('epsilon', this.epsilon),
      this.text('data_format', 'NHWC'),
      this.flag('is_training', training),
    ];
  }

  private withSizes(shape: readonly number[], run: (sizes: Tensor) => Tensor): Tensor {
    const sizes = this.tf.tensor1d([...shape], 'int32');
    const result = run(sizes);
    sizes.dispose();
    return result;
  }

  private one(name: string, attributes: Attribute[], inputs: Tensor[]): Tensor {
    return this.guarded(name, () => this.backend.executeSingleOutput(name, attributes, inputs));
  }

  private many(name: string, attributes: Attribute[], inputs: Tensor[], outputs: number): Tensor[] {
    return this.guarded(name, () => this.backend.executeMultipleOutputs(name, attributes, inputs, outputs));
  }

  private guarded<T>(name: string, run: () => T): T {
    try {
      return run();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const memory = /OOM|RESOURCE_EXHAUSTED|alloc/i.test(text);
      throw new StageError({
        code: memory ? 'TRAINING_OUT_OF_MEMORY' : 'TRAINING_KERNEL_FAILED',
        stage: 'training',
        message: `TensorFlow's ${name} failed: ${text}`,
        remedy: memory ? 'Train with a smaller --batch-size.' : 'This is a defect: please report it with this message.',
        cause: error,
      });
    }
  }

  private float32(): Attribute {
    return { name: 'T', type: this.backend.binding.TF_ATTR_TYPE, value: this.backend.binding.TF_FLOAT };
  }
  private ints(name: string, value: number[]): Attribute {
    return { name, type: this.backend.binding.TF_ATTR_INT, value };
  }
  private text(name: string, value: string): Attribute {
    return { name, type: this.backend.binding.TF_ATTR_STRING, value };
  }
  private flag(name: string, value: boolean): Attribute {
    return { name, type: this.backend.binding.TF_ATTR_BOOL, value };
  }
  private float(name: string, value: number): Attribute {
    return { name, type: this.backend.binding.TF_ATTR_FLOAT, value };
  }
}
