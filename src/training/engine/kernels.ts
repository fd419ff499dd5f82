/**
 * TensorFlow's own kernels, called one by one through tfjs-node's binding. Training runs these directly, with backward
 * passes written out: tfjs composes batch norm, its gradient and ReLU's of many small operations (measured: half the
 * speed), and knows neither bfloat16 nor resource variables.
 *
 * Layout NHWC, convolution weights HWIO. A handle lives until `free` or the next `sweep`, unless `keep` exempts it.
 */
import { StageError } from '../../common/stage-error.js';
import type { TensorFlow } from './tensorflow.js';

/** A tensor (or resource) that TensorFlow holds. */
export interface Handle {
  readonly id: number;
  readonly shape: number[];
  readonly dtype: number;
}

interface Attribute {
  name: string;
  type: number;
  value: string | number | boolean | readonly number[];
}

interface Binding {
  createTensor(shape: number[], dtype: number, values: Float32Array | Int32Array): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array;
  executeOp(name: string, attributes: readonly Attribute[], inputs: number[], outputs: number): Handle[];
  TF_ATTR_TYPE: number;
  TF_ATTR_INT: number;
  TF_ATTR_STRING: number;
  TF_ATTR_BOOL: number;
  TF_ATTR_FLOAT: number;
  TF_ATTR_SHAPE: number;
  TF_FLOAT: number;
  TF_INT32: number;
  TF_INT64: number;
  isUsingGpuDevice(): boolean;
}

/** Geometry of a convolution: square kernel, equal stride and zero padding on both axes. */
export interface ConvGeometry {
  kernel: number;
  stride: number;
  pad: number;
}

/** What FusedBatchNormV3 gives in training: y and what its gradient needs. */
export interface BatchNormResult {
  y: Handle;
  /** Mean and (Bessel-corrected) variance of the batch, [channels], float32. */
  mean: Handle;
  variance: Handle;
  reserved: [Handle, Handle, Handle];
}

/** DT_BFLOAT16 in TensorFlow's types.proto; tfjs-node's binding does not export it. */
const BFLOAT16 = 14;

export class Kernels {
  private readonly binding: Binding;
  private readonly live = new Map<number, Handle>();
  private readonly constants = new Map<string, Handle>();
  private readonly none: Handle;
  private resources = 0;

  /** @param epsilon added to the variance in batch norm. */
  constructor(
    tf: TensorFlow,
    private readonly epsilon: number,
  ) {
    this.binding = (tf.backend() as unknown as { binding: Binding }).binding;
    this.none = this.keep(this.tensor(new Float32Array(0), [0]));
  }

  // Memory.

  /** Tensor of the values. TensorFlow may share their memory: leave them alone until the handle is freed. */
  tensor(values: Float32Array, shape: readonly number[]): Handle {
    return this.created('createTensor', values, shape, this.binding.TF_FLOAT);
  }

  scalar(value: number): Handle {
    return this.tensor(Float32Array.of(value), []);
  }

  /** Copies a float32 tensor's values out. */
  values(handle: Handle): Float32Array {
    return this.guarded('read', () => this.binding.tensorDataSync(handle.id)) as Float32Array;
  }

  free(...handles: readonly Handle[]): void {
    for (const { id } of handles) if (this.live.delete(id)) this.binding.deleteTensor(id);
  }

  /** Exempts from `sweep`; the owner ends it with `release`. */
  keep(handle: Handle): Handle {
    this.live.delete(handle.id);
    return handle;
  }

  /** Frees a kept handle. */
  release(handle: Handle): void {
    this.binding.deleteTensor(handle.id);
  }

  /** Frees everything that isn't kept: the end of a pass, also of one that failed half-way. */
  sweep(): void {
    this.free(...this.live.values());
  }

  /** Handles that a sweep would free. */
  get liveCount(): number {
    return this.live.size;
  }

  /** Frees the constants; the object is of no use afterwards. */
  dispose(): void {
    this.sweep();
    for (const constant of [this.none, ...this.constants.values()]) this.release(constant);
    this.constants.clear();
  }

  // Convolution and pooling.

  conv(x: Handle, w: Handle, geometry: ConvGeometry): Handle {
    return this.one('Conv2D', this.convAttributes(x.dtype, geometry), [x, w]);
  }

  convInputGradient(shape: readonly number[], w: Handle, dy: Handle, geometry: ConvGeometry): Handle {
    return this.one('Conv2DBackpropInput', this.convAttributes(dy.dtype, geometry), [this.integers(shape), w, dy]);
  }

  convFilterGradient(x: Handle, shape: readonly number[], dy: Handle, geometry: ConvGeometry): Handle {
    return this.one('Conv2DBackpropFilter', this.convAttributes(dy.dtype, geometry), [x, this.integers(shape), dy]);
  }

  /** 3×3/2 max pool over an already padded input. */
  maxPool(padded: Handle): Handle {
    return this.one('MaxPool', [...this.poolAttributes(padded.dtype), this.text('data_format', 'NHWC')], [padded]);
  }

  /**
   * The same, float32, with what its gradient needs: where each maximum was. MaxPoolGrad searches them again, and
   * slowly (measured: 21 ms on one core, this way 4).
   */
  maxPoolWithArgmax(padded: Handle): { y: Handle; argmax: Handle } {
    const index = this.binding.isUsingGpuDevice() ? this.binding.TF_INT64 : this.binding.TF_INT32;
    const [y, at] = this.many('MaxPoolWithArgmax', this.argmaxAttributes(padded.dtype, index), [padded], 2) as [Handle, Handle];
    if (index === this.binding.TF_INT64) return { y, argmax: at };
    // Only the search has a fast path for int32; the gradient knows int64 alone.
    const argmax = this.cast(at, this.binding.TF_INT64);
    this.free(at);
    return { y, argmax };
  }

  maxPoolGradient(padded: Handle, argmax: Handle, dy: Handle): Handle {
    return this.one('MaxPoolGradWithArgmax', this.argmaxAttributes(dy.dtype, this.binding.TF_INT64), [padded, dy, argmax]);
  }

  /** Zero padding all round the image. */
  pad(x: Handle, pad: number): Handle {
    const paddings = this.integers([0, 0, pad, pad, pad, pad, 0, 0], [4, 2]);
    return this.one('Pad', [this.type('T', x.dtype), this.type('Tpaddings', this.binding.TF_INT32)], [x, paddings]);
  }

  /** Undoes `pad`. */
  crop(x: Handle, pad: number): Handle {
    const [n = 0, height = 0, width = 0, channels = 0] = x.shape;
    const size = this.integers([n, height - 2 * pad, width - 2 * pad, channels]);
    return this.one('Slice', [this.type('T', x.dtype), this.type('Index', this.binding.TF_INT32)], [x, this.integers([0, pad, pad, 0]), size]);
  }

  // Batch norm.

  /** Batch norm over N, H, W with the batch's own statistics. */
  batchNorm(x: Handle, scale: Handle, shift: Handle): BatchNormResult {
    const attributes = [...this.batchNormAttributes(x.dtype, true), this.float('exponential_avg_factor', 1)];
    const [y, mean, variance, r1, r2, r3] = this.many('FusedBatchNormV3', attributes, [x, scale, shift, this.none, this.none], 6) as [Handle, Handle, Handle, Handle, Handle, Handle];
    return { y, mean, variance, reserved: [r1, r2, r3] };
  }

  /** Batch norm with given statistics. */
  batchNormInference(x: Handle, scale: Handle, shift: Handle, mean: Handle, variance: Handle): Handle {
    const [y, ...rest] = this.many('FusedBatchNormV3', this.batchNormAttributes(x.dtype, false), [x, scale, shift, mean, variance], 6) as [Handle, ...Handle[]];
    this.free(...rest);
    return y;
  }

  batchNormGradient(dy: Handle, x: Handle, scale: Handle, reserved: readonly Handle[]): { dx: Handle; dScale: Handle; dShift: Handle } {
    const [dx, dScale, dShift, ...rest] = this.many('FusedBatchNormGradV3', this.batchNormAttributes(x.dtype, true), [dy, x, scale, ...reserved], 5) as [Handle, Handle, Handle, ...Handle[]];
    this.free(...rest);
    return { dx, dScale, dShift };
  }

  // Element by element, and what the head needs.

  relu(x: Handle): Handle {
    return this.one('Relu', [this.type('T', x.dtype)], [x]);
  }

  /** Gradient of relu where `y` is its output. */
  reluGradient(dy: Handle, y: Handle): Handle {
    return this.one('ReluGrad', [this.type('T', dy.dtype)], [dy, y]);
  }

  add(a: Handle, b: Handle): Handle {
    return this.one('AddV2', [this.type('T', a.dtype)], [a, b]);
  }

  subtract(a: Handle, b: Handle): Handle {
    return this.one('Sub', [this.type('T', a.dtype)], [a, b]);
  }

  /** Product; sizes of 1 stretch. */
  multiply(a: Handle, b: Handle): Handle {
    return this.one('Mul', [this.type('T', a.dtype)], [a, b]);
  }

  /** Half the sum of squares. */
  l2(x: Handle): number {
    const sum = this.one('L2Loss', [this.type('T', x.dtype)], [x]);
    const value = this.values(sum)[0] ?? 0;
    this.free(sum);
    return value;
  }

  matMul(a: Handle, b: Handle, transpose: { a?: boolean; b?: boolean } = {}): Handle {
    return this.one('MatMul', [this.type('T', a.dtype), this.flag('transpose_a', transpose.a ?? false), this.flag('transpose_b', transpose.b ?? false)], [a, b]);
  }

  mean(x: Handle, axes: readonly number[]): Handle {
    return this.reduced('Mean', x, axes);
  }

  sum(x: Handle, axes: readonly number[]): Handle {
    return this.reduced('Sum', x, axes);
  }

  reshape(x: Handle, shape: readonly number[]): Handle {
    return this.one('Reshape', [this.type('T', x.dtype), this.type('Tshape', this.binding.TF_INT32)], [x, this.integers(shape)]);
  }

  /** Another handle of the same tensor, no copy. */
  identity(x: Handle): Handle {
    return this.one('Identity', [this.type('T', x.dtype)], [x]);
  }

  toBfloat16(x: Handle): Handle {
    return this.cast(x, BFLOAT16);
  }

  /** As float32; another handle of the same tensor if it is so already. */
  toFloat32(x: Handle): Handle {
    return x.dtype === this.binding.TF_FLOAT ? this.identity(x) : this.cast(x, this.binding.TF_FLOAT);
  }

  // Variables: tensors that optimiser kernels update in place.

  /** A new float32 variable, kept; `assign` before use, `destroy` at the end. */
  variable(shape: readonly number[]): Handle {
    // The binding's tensors have no owner to name the variable after: a name never used in this process.
    const name = `stethostream/${process.pid}/${variableCount++}`;
    this.resources += 1;
    const attributes = [this.type('dtype', this.binding.TF_FLOAT), { name: 'shape', type: this.binding.TF_ATTR_SHAPE, value: shape }, this.text('container', ''), this.text('shared_name', name)];
    return this.keep(this.one('VarHandleOp', attributes, []));
  }

  destroy(variable: Handle): void {
    this.resources -= 1;
    this.many('DestroyResourceOp', [this.flag('ignore_lookup_error', true)], [variable], 0);
    this.release(variable);
  }

  /** Variables that exist. */
  get variableCount(): number {
    return this.resources;
  }

  /** Sets a variable; the values are copied. */
  assign(variable: Handle, values: Float32Array, shape: readonly number[]): void {
    const mine = this.tensor(values, shape);
    const one = this.scalar(1);
    // A product is TensorFlow's own memory; `mine` may be the caller's array, which updates in place would overwrite.
    const own = this.multiply(mine, one);
    this.many('AssignVariableOp', [this.type('dtype', this.binding.TF_FLOAT)], [variable, own], 0);
    this.free(mine, one, own);
  }

  /** The variable's value, no copy. Free it before the next update, or the update has to copy. */
  read(variable: Handle): Handle {
    return this.one('ReadVariableOp', [this.type('dtype', this.binding.TF_FLOAT)], [variable]);
  }

  /** variable ← variable − by. */
  assignSubtract(variable: Handle, by: Handle): void {
    this.many('AssignSubVariableOp', [this.type('dtype', this.binding.TF_FLOAT)], [variable, by], 0);
  }

  /** variable ← variable − rate·direction. */
  descend(variable: Handle, rate: Handle, direction: Handle): void {
    this.many('ResourceApplyGradientDescent', [this.type('T', this.binding.TF_FLOAT), this.flag('use_locking', false)], [variable, rate, direction], 0);
  }

  /** Adam (Kingma & Ba 2015, the variant before section 2.1); `settings`: beta1^t, beta2^t, rate, beta1, beta2, epsilon. */
  adam(variable: Handle, first: Handle, second: Handle, settings: readonly Handle[], gradient: Handle): void {
    this.many('ResourceApplyAdam', [this.type('T', this.binding.TF_FLOAT), this.flag('use_locking', false), this.flag('use_nesterov', false)], [variable, first, second, ...settings, gradient], 0);
  }

  // Private.

  private reduced(name: string, x: Handle, axes: readonly number[]): Handle {
    return this.one(name, [this.type('T', x.dtype), this.type('Tidx', this.binding.TF_INT32), this.flag('keep_dims', false)], [x, this.integers(axes)]);
  }

  private cast(x: Handle, to: number): Handle {
    return this.one('Cast', [this.type('SrcT', x.dtype), this.type('DstT', to), this.flag('Truncate', false)], [x]);
  }

  private convAttributes(dtype: number, { kernel, stride, pad }: ConvGeometry): Attribute[] {
    // oneDNN runs SAME and VALID; TensorFlow's EXPLICIT falls back to slow code (measured: 10 times for the gradients).
    const same = pad > 0 && stride === 1 && pad === (kernel - 1) / 2;
    if (!same && pad > 0) throw new Error(`a convolution with stride ${stride} and padding ${pad} needs a padded input`);
    return [
      this.type('T', dtype),
      this.integerList('strides', [1, stride, stride, 1]),
      this.text('padding', same ? 'SAME' : 'VALID'),
      this.text('data_format', 'NHWC'),
      this.flag('use_cudnn_on_gpu', true),
      this.integerList('dilations', [1, 1, 1, 1]),
    ];
  }

  private poolAttributes(dtype: number): Attribute[] {
    return [this.type('T', dtype), this.integerList('ksize', [1, 3, 3, 1]), this.integerList('strides', [1, 2, 2, 1]), this.text('padding', 'VALID')];
  }

  private argmaxAttributes(dtype: number, index: number): Attribute[] {
    return [...this.poolAttributes(dtype), this.type('Targmax', index), this.flag('include_batch_in_index', false)];
  }

  private batchNormAttributes(dtype: number, training: boolean): Attribute[] {
    return [this.type('T', dtype), this.type('U', this.binding.TF_FLOAT), this.float('epsilon', this.epsilon), this.text('data_format', 'NHWC'), this.flag('is_training', training)];
  }

  /** A constant int32 tensor, made once. */
  private integers(values: readonly number[], shape: readonly number[] = [values.length]): Handle {
    const key = `${values.join()}/${shape.join()}`;
    let found = this.constants.get(key);
    if (!found) {
      found = this.keep(this.created('createTensor', Int32Array.from(values), shape, this.binding.TF_INT32));
      this.constants.set(key, found);
    }
    return found;
  }

  private created(what: string, values: Float32Array | Int32Array, shape: readonly number[], dtype: number): Handle {
    const id = this.guarded(what, () => this.binding.createTensor([...shape], dtype, values));
    return this.added({ id, shape: [...shape], dtype });
  }

  private one(name: string, attributes: readonly Attribute[], inputs: readonly Handle[]): Handle {
    return this.many(name, attributes, inputs, 1)[0] as Handle;
  }

  private many(name: string, attributes: readonly Attribute[], inputs: readonly Handle[], outputs: number): Handle[] {
    const results = this.guarded(name, () => this.binding.executeOp(name, attributes, inputs.map(({ id }) => id), outputs));
    return results.map((handle) => this.added(handle));
  }

  private added(handle: Handle): Handle {
    this.live.set(handle.id, handle);
    return handle;
  }

  private guarded<T>(name: string, run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw kernelError(name, error);
    }
  }

  private type(name: string, value: number): Attribute {
    return { name, type: this.binding.TF_ATTR_TYPE, value };
  }
  private integerList(name: string, value: number[]): Attribute {
    return { name, type: this.binding.TF_ATTR_INT, value };
  }
  private text(name: string, value: string): Attribute {
    return { name, type: this.binding.TF_ATTR_STRING, value };
  }
  private flag(name: string, value: boolean): Attribute {
    return { name, type: this.binding.TF_ATTR_BOOL, value };
  }
  private float(name: string, value: number): Attribute {
    return { name, type: this.binding.TF_ATTR_FLOAT, value };
  }
}

/** Names of variables live as long as the process, whichever Kernels made them. */
let variableCount = 0;

/** TRAINING_OUT_OF_MEMORY or TRAINING_KERNEL_FAILED. */
function kernelError(name: string, error: unknown): StageError {
  const text = error instanceof Error ? error.message : String(error);
  const memory = /OOM|RESOURCE_EXHAUSTED|out of memory|allocat/i.test(text);
  return new StageError({
    code: memory ? 'TRAINING_OUT_OF_MEMORY' : 'TRAINING_KERNEL_FAILED',
    stage: 'training',
    message: `TensorFlow's ${name} failed: ${text}`,
    remedy: memory ? 'Train with a smaller --batch-size, or close other programs.' : 'This is a defect: please report it with this message.',
    cause: error,
  });
}
