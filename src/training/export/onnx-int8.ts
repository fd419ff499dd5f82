/**
 * ONNX with int8 weights, in standard operators. Weights are symmetric with one scale per output channel
 * (scale = largest magnitude / 127). Two forms:
 *
 * - weight-only: DequantizeLinear behind each weight; arithmetic stays float32. Smaller, not faster.
 * - static: activations are uint8 as well, between QuantizeLinear and DequantizeLinear at scales fixed from calibration
 *   windows, which ONNX Runtime turns into integer convolutions. Biases are int32 at scale input × weight.
 *
 * The first convolution (it reads the spectrogram itself), the classifier and a phase branch stay float32: together less
 * than 2 % of the weights. Arithmetic: Jacob et al., "Quantization and Training of Neural Networks" (2017), section 2.
 */
import { OnnxType } from '../../inference/onnx-proto.js';
import { ResNetGraph, writeGraph } from '../../inference/onnx-writer.js';
import { packFloat32 } from '../../inference/safetensors.js';
import type { Tensor } from '../../inference/state-dict.js';
import type { ExportSource } from './source.js';
import { inputSize, type Written } from './types.js';

/** Smallest and largest value that a tensor of the graph took, by its name. */
export type ActivationRanges = ReadonlyMap<string, { low: number; high: number }>;

/** Layers that stay float32. */
const FLOAT_LAYERS = ['conv1', 'fc', 'frames', 'phase.hidden', 'phase.out'];

/** Weight-only without `ranges`, static with them. Throws INFERENCE_WEIGHTS_INVALID. */
export function onnxInt8Export(source: ExportSource, ranges: ActivationRanges | null): Written {
  const data = writeGraph(new Int8Graph(source.folded, ranges), source.spec, inputSize(source));
  const form = ranges === null ? 'weight-only: int8 weights per channel, float32 arithmetic' : 'static: int8 weights per channel, uint8 activations at calibrated scales, integer convolutions';
  return { files: [{ path: '', data }], description: `ONNX opset 17, ${form}; ${source.spec.phase ? 'first convolution, classifier and phase branch' : 'first convolution and classifier'} float32` };
}

/** A float32 ONNX file that gives out every tensor that a layer hands to the next, and their names. */
export function observedOnnx(source: ExportSource): { data: Uint8Array; names: string[] } {
  const graph = new ObservedGraph(source.folded);
  const data = writeGraph(graph, source.spec, inputSize(source), () => graph.names);
  return { data, names: graph.names };
}

class ObservedGraph extends ResNetGraph {
  readonly names: string[] = [];

  protected override activation(x: string): string {
    this.names.push(x);
    return x;
  }
}

class Int8Graph extends ResNetGraph {
  /** Scale of each dequantised activation, by name. */
  private readonly scales = new Map<string, number>();

  constructor(
    folded: ExportSource['folded'],
    private readonly ranges: ActivationRanges | null,
  ) {
    super(folded);
  }

  protected override activation(x: string): string {
    if (this.ranges === null) return x;
    const { scale, zeroPoint } = uint8Scale(this.range(x));
    const parameters = [this.scalar(`${x}/scale`, scale), this.zeroPoint(`${x}/zero`, zeroPoint)];
    const quantised = this.node('QuantizeLinear', `${x}/q`, [x, ...parameters]);
    const y = this.node('DequantizeLinear', `${x}/dq`, [quantised, ...parameters]);
    this.scales.set(y, scale);
    return y;
  }

  protected override weight(name: string): string {
    const tensor = this.tensor(name);
    if (FLOAT_LAYERS.some((layer) => name === `${layer}.weight`)) return super.weight(name);
    const scales = channelScales(tensor);
    const perChannel = tensor.data.length / scales.length;
    const values = Int8Array.from(tensor.data, (value, i) => Math.round(value / scales[Math.floor(i / perChannel)]!));
    this.initializers.push({ name, dims: tensor.shape, type: OnnxType.int8, rawData: new Uint8Array(values.buffer) });
    return this.node('DequantizeLinear', `${name}/dq`, [name, this.vector(`${name}/scale`, scales)], { axis: 0 });
  }

  protected override bias(name: string, input?: string): string {
    const inputScale = input === undefined ? undefined : this.scales.get(input);
    if (inputScale === undefined) return super.bias(name);
    const { data, shape } = this.tensor(name);
    const scales = channelScales(this.tensor(name.replace(/bias$/, 'weight'))).map((scale) => Math.fround(scale * inputScale));
    const view = new DataView(new ArrayBuffer(4 * data.length));
    data.forEach((value, i) => view.setInt32(4 * i, Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.round(value / scales[i]!))), true));
    this.initializers.push({ name, dims: shape, type: OnnxType.int32, rawData: new Uint8Array(view.buffer) });
    return this.node('DequantizeLinear', `${name}/dq`, [name, this.vector(`${name}/scale`, scales)], { axis: 0 });
  }

  private range(x: string): { low: number; high: number } {
    // A max pool's output has the scale of its input, so that it can pool integers.
    const range = this.ranges?.get(x === 'maxpool/out' ? 'stem/out' : x);
    if (range === undefined) throw new Error(`no range was calibrated for ${x}`);
    return range;
  }

  private scalar(name: string, value: number): string {
    this.initializers.push({ name, dims: [], type: OnnxType.float32, rawData: packFloat32(Float32Array.of(value)) });
    return name;
  }

  private zeroPoint(name: string, value: number): string {
    this.initializers.push({ name, dims: [], type: OnnxType.uint8, rawData: Uint8Array.of(value) });
    return name;
  }

  private vector(name: string, values: readonly number[]): string {
    this.initializers.push({ name, dims: [values.length], type: OnnxType.float32, rawData: packFloat32(Float32Array.from(values)) });
    return name;
  }
}

/** One scale per output channel. A channel of zeros gets the smallest scale that keeps biases representable. */
function channelScales({ shape, data }: Tensor): number[] {
  const channels = shape[0]!;
  const perChannel = data.length / channels;
  return Array.from({ length: channels }, (_, channel) => {
    let largest = 0;
    for (let i = channel * perChannel; i < (channel + 1) * perChannel; i++) largest = Math.max(largest, Math.abs(data[i]!));
    return Math.fround(Math.max(largest, 1e-6) / 127);
  });
}

/** Scale and zero point that hold low … high and zero itself exactly. */
export function uint8Scale({ low, high }: { low: number; high: number }): { scale: number; zeroPoint: number } {
  const [from, to] = [Math.min(0, low), Math.max(0, high)];
  const scale = Math.fround(Math.max(to - from, 1e-6) / 255);
  return { scale, zeroPoint: Math.max(0, Math.min(255, Math.round(-from / scale))) };
}
