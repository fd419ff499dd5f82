/**
 * Writes a folded ResNet as ONNX: Conv, Relu, MaxPool, Add, GlobalAveragePool, Flatten, Gemm, and what a phase branch
 * takes (onnx-phase-branch.ts). Weights of convolutions and linear layers may be stored as fp16; a Cast behind each
 * gives float32, and ONNX Runtime folds it at load, so that the arithmetic is float32 either way. Biases stay float32:
 * they cost nothing and carry the folded means.
 * `ResNetGraph` is open to other ways of storing weights (see src/training/export).
 */
import { packFloat16 } from './float16.js';
import { foldBatchNorm } from './fold-batch-norm.js';
import { inferenceError } from './inference-error.js';
import { phaseBranchNodes, type GraphBuilder } from './onnx-phase-branch.js';
import { encodeOnnx, OnnxType, type OnnxNode, type OnnxTensor } from './onnx-proto.js';
import { phaseFrameHead } from './phase-branch.js';
import { basicBlocks, stem, type BasicBlockSpec, type ConvBnSpec, type ResNetSpec } from './resnet34.js';
import { packFloat32 } from './safetensors.js';
import type { StateDict, Tensor } from './state-dict.js';
import { VERSION } from '../common/version.js';

/** Opset 17 and its IR version 8: read by ONNX Runtime from 1.12 on. */
const OPSET = 17;
const IR_VERSION = 8;
/** From here on fp16 rounds to infinity. */
const FP16_OVERFLOW = 65520;

export interface OnnxWriterOptions {
  /** Height of the input: mel bands. */
  height: number;
  /** Width of the input: frames. */
  width: number;
  /** How weights are stored; default fp16. */
  weights?: 'fp16' | 'fp32';
  /** Default `input`. */
  inputName?: string;
  /** Default `logits`. */
  outputName?: string;
}

/**
 * @param state unfolded weights under torchvision's names; batch norm is folded here.
 * @returns the bytes of an ONNX file: [N, channels, height, width] float32 in, [N, labels] logits out, N free.
 * @throws StageError INFERENCE_WEIGHTS_INVALID: a tensor missing, misshapen, not finite, or too large for fp16.
 */
export function writeResNetOnnx(state: StateDict, spec: ResNetSpec, options: OnnxWriterOptions): Uint8Array {
  return writeFoldedOnnx(foldBatchNorm(state, spec), spec, options);
}

/** The same from weights that are folded already, as `foldBatchNorm` and `readOnnxWeights` give them. */
export function writeFoldedOnnx(folded: StateDict, spec: ResNetSpec, options: OnnxWriterOptions): Uint8Array {
  return writeGraph(new ResNetGraph(folded, (options.weights ?? 'fp16') === 'fp16'), spec, options);
}

/** Builds `graph` and encodes it. @param extraOutputs further tensors of the graph to give out, their shapes left open. */
export function writeGraph(graph: ResNetGraph, spec: ResNetSpec, options: OnnxWriterOptions, extraOutputs?: () => string[]): Uint8Array {
  const { height, width, inputName = 'input', outputName = 'logits' } = options;
  graph.build(spec, inputName, outputName);
  const extra = (extraOutputs?.() ?? []).map((name) => ({ name, dims: ['N', `${name}/c`, `${name}/h`, `${name}/w`] }));
  return encodeOnnx({
    irVersion: IR_VERSION,
    opset: OPSET,
    producerName: 'stethostream',
    producerVersion: VERSION,
    graphName: 'resnet',
    nodes: graph.nodes,
    initializers: graph.initializers,
    inputs: [{ name: inputName, dims: ['N', spec.inputChannels, height, width] }],
    outputs: [{ name: outputName, dims: ['N', spec.labels] }, ...extra],
  });
}

/** Collects nodes and initializers; every method returns the name of its output. */
export class ResNetGraph {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];

  constructor(
    private readonly folded: StateDict,
    private readonly half = false,
  ) {}

  build(spec: ResNetSpec, input: string, output: string): void {
    let x = this.activation(this.relu('stem', this.conv(stem(spec), input)));
    x = this.activation(this.node('MaxPool', 'maxpool', [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }));
    const heard = spec.phase && phaseFrameHead(spec, spec.phase).after;
    let features = '';
    for (const block of basicBlocks(spec)) {
      x = this.block(block, x);
      if (block.name === heard) features = x;
    }
    x = this.node('GlobalAveragePool', 'avgpool', [x]);
    x = this.node('Flatten', 'flatten', [x], { axis: 1 });
    const logits = this.node('Gemm', 'fc', [x, this.weight('fc.weight'), this.bias('fc.bias')], { transB: 1 }, spec.phase ? undefined : output);
    if (spec.phase) this.node('Add', 'joined', [logits, phaseBranchNodes(this.builder(), spec, spec.phase, input, features)], {}, output);
  }

  private builder(): GraphBuilder {
    return {
      node: (opType, name, inputs, attributes) => this.node(opType, name, inputs, attributes),
      weight: (name) => this.weight(name),
      bias: (name) => this.bias(name),
      integers: (name, values) => {
        const data = new DataView(new ArrayBuffer(8 * values.length));
        values.forEach((value, i) => data.setBigInt64(8 * i, BigInt(value), true));
        this.initializers.push({ name, dims: [values.length], type: OnnxType.int64, rawData: new Uint8Array(data.buffer) });
        return name;
      },
    };
  }

  private block(block: BasicBlockSpec, x: string): string {
    const inner = this.activation(this.relu(`${block.name}.relu1`, this.conv(block.first, x)));
    const main = this.activation(this.conv(block.second, inner));
    const shortcut = block.downsample ? this.activation(this.conv(block.downsample, x)) : x;
    return this.activation(this.relu(`${block.name}.relu2`, this.node('Add', `${block.name}.add`, [main, shortcut])));
  }

  /** Called with every tensor that one layer hands to the next; what it returns is what the next one reads. */
  protected activation(x: string): string {
    return x;
  }

  protected conv({ conv, kernel, stride, pad }: ConvBnSpec, x: string): string {
    const attributes = { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: [pad, pad, pad, pad] };
    return this.node('Conv', conv, [x, this.weight(`${conv}.weight`), this.bias(`${conv}.bias`, x)], attributes);
  }

  protected relu(name: string, x: string): string {
    return this.node('Relu', name, [x]);
  }

  protected node(opType: string, name: string, inputs: string[], attributes: OnnxNode['attributes'] = {}, output = `${name}/out`): string {
    this.nodes.push({ opType, name, inputs, outputs: [output], attributes });
    return output;
  }

  protected weight(name: string): string {
    const { shape, data } = this.tensor(name);
    if (!this.half) return this.bias(name);
    const tooLarge = data.find((value) => Math.abs(value) >= FP16_OVERFLOW);
    if (tooLarge !== undefined) {
      throw inferenceError('INFERENCE_WEIGHTS_INVALID', `${name} holds ${tooLarge} after folding batch norm, fp16 ends below ${FP16_OVERFLOW}`, 'Write fp32 weights, or look for a batch norm whose variance collapsed.');
    }
    this.initializers.push({ name, dims: shape, type: OnnxType.float16, rawData: packFloat16(data) });
    return this.node('Cast', `${name}/cast`, [name], { to: OnnxType.float32 });
  }

  /** @param _input what the convolution reads, where it is one. */
  protected bias(name: string, _input?: string): string {
    const { shape, data } = this.tensor(name);
    this.initializers.push({ name, dims: shape, type: OnnxType.float32, rawData: packFloat32(data) });
    return name;
  }

  protected tensor(name: string): Tensor {
    const tensor = this.folded.get(name);
    if (tensor === undefined) throw new Error(`${name} is missing from the folded weights`);
    return tensor;
  }
}
