/**
 * TensorFlow SavedModel that is a frozen graph: weights are constants in saved_model.pb, no variables. Input
 * [−1, height, width, 1] float32 `input`, output [−1, labels] float32 `logits`.
 */
import { phaseFrameHead } from '../../inference/phase-branch.js';
import { basicBlocks, stem, type BasicBlockSpec, type ConvBnSpec, type PhaseBranchSpec, type ResNetSpec } from '../../inference/resnet34.js';
import { packFloat32 } from '../../inference/safetensors.js';
import type { Tensor } from '../../inference/state-dict.js';
import { channelsLast, type ChannelsLastWeights } from './channels-last.js';
import { encodeSavedModel, TensorFlowType, type GraphAttribute, type GraphNode } from './saved-model-proto.js';
import type { ExportSource } from './source.js';
import { inputSize, type Written } from './types.js';

/** GraphDef version of TensorFlow 2.4 and later: explicit paddings are understood. */
const GRAPH_PRODUCER = 561;
const FLOAT: GraphAttribute = { type: TensorFlowType.float };
const INT: GraphAttribute = { type: TensorFlowType.int32 };

/** The one file of a folder. Throws INFERENCE_WEIGHTS_INVALID. */
export function savedModelExport(source: ExportSource): Written {
  const { height, width } = inputSize(source);
  const graph = new FrozenGraph(channelsLast(source.folded, source.spec));
  graph.build(source.spec, [-1, height, width, 1]);
  const data = encodeSavedModel({
    nodes: graph.nodes,
    inputs: [{ key: 'input', tensor: 'input:0', shape: [-1, height, width, 1] }],
    outputs: [{ key: 'logits', tensor: 'logits:0', shape: [-1, source.spec.labels] }],
    producer: GRAPH_PRODUCER,
    tensorFlowVersion: '2.4.0',
  });
  return { files: [{ path: 'saved_model.pb', data }], description: 'TensorFlow SavedModel, frozen graph, fp32, tag serve, signature serving_default' };
}

/** Collects nodes; every method returns the name of its output. */
class FrozenGraph {
  readonly nodes: GraphNode[] = [];

  constructor(private readonly weights: ChannelsLastWeights) {}

  build(spec: ResNetSpec, inputShape: number[]): void {
    this.node('Placeholder', 'input', [], { dtype: FLOAT, shape: { shape: inputShape } });
    let x = this.relu('stem_relu', this.conv(stem(spec), 'input'));
    x = this.maxPool(x);
    const heard = spec.phase && phaseFrameHead(spec, spec.phase).after;
    let features = '';
    for (const block of basicBlocks(spec)) {
      x = this.block(block, x);
      if (block.name === heard) features = x;
    }
    const trunk = this.linear('fc', this.weights.fc, this.mean('avgpool', [1, 2], x), spec.phase ? 'fc/biased' : 'logits');
    if (spec.phase) this.node('AddV2', 'logits', [trunk, this.phaseBranch(spec, spec.phase, features)], { T: FLOAT });
  }

  /** Logits of the phase branch (src/inference/phase-branch.ts). TensorFlow's softmax is over the last axis: time. */
  private phaseBranch(spec: ResNetSpec, branch: PhaseBranchSpec, features: string): string {
    const { height, width, phases } = branch;
    const { channels, columns, framesPerColumn, offset } = phaseFrameHead(spec, branch);
    const part = (name: string) => this.weights.phase.get(name)!;
    const frames = this.linear('phase/frames', part('frames'), this.reshape('phase/columns', [-1, channels], this.mean('phase/bands', [1], features)));
    const all = this.reshape('phase/all', [-1, columns * framesPerColumn, phases], frames);
    const known = this.node('Slice', 'phase/known', [all, this.ints('phase/known/begin', [3], [0, offset, 0]), this.ints('phase/known/size', [3], [-1, width, phases])], { T: FLOAT, Index: INT });
    const timeLast = this.node('Transpose', 'phase/time_last', [this.node('LogSoftmax', 'phase/sureness', [known], { T: FLOAT }), this.ints('phase/time_last/perm', [3], [0, 2, 1])], { T: FLOAT, Tperm: INT });
    const shares = this.node('Softmax', 'phase/shares', [timeLast], { T: FLOAT });
    const means = this.node('BatchMatMulV2', 'phase/mean', [this.reshape('phase/input', [-1, height, width], 'input'), shares], { T: FLOAT, adj_x: { flag: false }, adj_y: { flag: true } });
    const hidden = this.relu('phase/relu', this.linear('phase/hidden', part('phase.hidden'), this.reshape('phase/means', [-1, height * phases], means)));
    return this.linear('phase/out', part('phase.out'), hidden);
  }

  private linear(name: string, { kernel, bias }: { kernel: Tensor; bias: Tensor }, x: string, output = `${name}/biased`): string {
    const y = this.node('MatMul', name, [x, this.floats(`${name}/kernel`, kernel)], { T: FLOAT, transpose_a: { flag: false }, transpose_b: { flag: false } });
    return this.node('BiasAdd', output, [y, this.floats(`${name}/bias`, bias)], { T: FLOAT, data_format: { text: 'NHWC' } });
  }

  private mean(name: string, axes: number[], x: string): string {
    return this.node('Mean', name, [x, this.ints(`${name}/axes`, [axes.length], axes)], { T: FLOAT, Tidx: INT, keep_dims: { flag: false } });
  }

  private reshape(name: string, shape: number[], x: string): string {
    return this.node('Reshape', name, [x, this.ints(`${name}/shape`, [shape.length], shape)], { T: FLOAT, Tshape: INT });
  }

  private block({ name, first, second, downsample }: BasicBlockSpec, x: string): string {
    const main = this.conv(second, this.relu(`${name}/relu1`, this.conv(first, x)));
    const shortcut = downsample ? this.conv(downsample, x) : x;
    return this.relu(`${name}/relu2`, this.node('AddV2', `${name}/add`, [main, shortcut], { T: FLOAT }));
  }

  private conv({ conv, stride, pad }: ConvBnSpec, x: string): string {
    const { kernel, bias } = this.weights.convolutions.get(conv)!;
    // Same padding on both sides, as torchvision's; `SAME` pads one side more where the stride is 2.
    const padding: Record<string, GraphAttribute> = pad === 0 ? { padding: { text: 'VALID' } } : { padding: { text: 'EXPLICIT' }, explicit_paddings: { ints: [0, 0, pad, pad, pad, pad, 0, 0] } };
    const y = this.node('Conv2D', conv, [x, this.floats(`${conv}/kernel`, kernel)], { T: FLOAT, strides: { ints: [1, stride, stride, 1] }, dilations: { ints: [1, 1, 1, 1] }, data_format: { text: 'NHWC' }, use_cudnn_on_gpu: { flag: true }, ...padding });
    return this.node('BiasAdd', `${conv}/biased`, [y, this.floats(`${conv}/bias`, bias)], { T: FLOAT, data_format: { text: 'NHWC' } });
  }

  private maxPool(x: string): string {
    // After a relu nothing is negative, so padding with zero is as good as with −∞.
    const padded = this.node('Pad', 'maxpool/pad', [x, this.ints('maxpool/paddings', [4, 2], [0, 0, 1, 1, 1, 1, 0, 0])], { T: FLOAT, Tpaddings: { type: TensorFlowType.int32 } });
    return this.node('MaxPool', 'maxpool', [padded], { T: FLOAT, ksize: { ints: [1, 3, 3, 1] }, strides: { ints: [1, 2, 2, 1] }, padding: { text: 'VALID' }, data_format: { text: 'NHWC' } });
  }

  private relu(name: string, x: string): string {
    return this.node('Relu', name, [x], { T: FLOAT });
  }

  private floats(name: string, { shape, data }: Tensor): string {
    return this.node('Const', name, [], { dtype: FLOAT, value: { tensor: { type: TensorFlowType.float, shape, content: packFloat32(data) } } });
  }

  private ints(name: string, shape: number[], values: number[]): string {
    const view = new DataView(new ArrayBuffer(4 * values.length));
    values.forEach((value, i) => view.setInt32(4 * i, value, true));
    return this.node('Const', name, [], { dtype: { type: TensorFlowType.int32 }, value: { tensor: { type: TensorFlowType.int32, shape, content: new Uint8Array(view.buffer) } } });
  }

  private node(op: string, name: string, inputs: string[], attributes: GraphNode['attributes']): string {
    this.nodes.push({ name, op, inputs, attributes });
    return name;
  }
}
