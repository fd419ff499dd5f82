/** The phase branch as ONNX nodes, from folded weights. The formula is in phase-branch.ts; names of nodes start with `phase/`. */
import { FRAME_BIAS, FRAME_WEIGHT } from './frame-head.js';
import { PHASE_HIDDEN_BIAS, PHASE_HIDDEN_WEIGHT, PHASE_OUT_BIAS, PHASE_OUT_WEIGHT, phaseFrameHead } from './phase-branch.js';
import type { PhaseBranchSpec, ResNetSpec } from './resnet34.js';

/** What the branch asks of the graph that it becomes part of; every method returns the name of a tensor. */
export interface GraphBuilder {
  node(opType: string, name: string, inputs: string[], attributes?: Record<string, number | number[]>): string;
  weight(name: string): string;
  bias(name: string): string;
  /** Constant int64 vector. */
  integers(name: string, values: number[]): string;
}

/**
 * @param input [N, 1, height, width].
 * @param features [N, channels, any, columns], what the frame head reads.
 * @returns logits to be added to the trunk's.
 */
export function phaseBranchNodes(graph: GraphBuilder, spec: ResNetSpec, branch: PhaseBranchSpec, input: string, features: string): string {
  const { height, width, phases } = branch;
  const shares = frameShares(graph, spec, branch, features);
  const x = reshape(graph, 'phase/input', input, [-1, height, width]);
  const means = reshape(graph, 'phase/means', graph.node('MatMul', 'phase/mean', [x, shares]), [-1, height * phases]);
  const hidden = graph.node('Relu', 'phase/relu', [graph.node('Gemm', 'phase/hidden', [means, graph.weight(PHASE_HIDDEN_WEIGHT), graph.bias(PHASE_HIDDEN_BIAS)], { transB: 1 })]);
  return graph.node('Gemm', 'phase/out', [hidden, graph.weight(PHASE_OUT_WEIGHT), graph.bias(PHASE_OUT_BIAS)], { transB: 1 });
}

/** [N, width, phases]: each frame's share in the mean of each phase. */
function frameShares(graph: GraphBuilder, spec: ResNetSpec, branch: PhaseBranchSpec, features: string): string {
  const { channels, columns, framesPerColumn, offset } = phaseFrameHead(spec, branch);
  const columnsFirst = graph.node('Transpose', 'phase/columns', [graph.node('ReduceMean', 'phase/bands', [features], { axes: [2], keepdims: 0 })], { perm: [0, 2, 1] });
  const perColumn = reshape(graph, 'phase/rows', columnsFirst, [-1, channels]);
  const logits = graph.node('Gemm', 'phase/frames', [perColumn, graph.weight(FRAME_WEIGHT), graph.bias(FRAME_BIAS)], { transB: 1 });
  const all = reshape(graph, 'phase/all', logits, [-1, columns * framesPerColumn, branch.phases]);
  const bounds = [offset, offset + branch.width, 1].map((at, i) => graph.integers(`phase/slice/${['from', 'to', 'axis'][i]}`, [at]));
  const frames = graph.node('Slice', 'phase/slice', [all, ...bounds]);
  // A LogSoftmax, in operators that ONNX Runtime's WebGPU has too. Without the largest taken off first, its
  // ReduceLogSumExp overflows from logits of 88 on, and says nothing.
  const largest = graph.node('ReduceMax', 'phase/largest', [frames], { axes: [2], keepdims: 1 });
  const below = graph.node('Sub', 'phase/below', [frames, largest]);
  const total = graph.node('ReduceLogSumExp', 'phase/total', [below], { axes: [2], keepdims: 1 });
  return graph.node('Softmax', 'phase/shares', [graph.node('Sub', 'phase/sureness', [below, total])], { axis: 1 });
}

function reshape(graph: GraphBuilder, name: string, x: string, shape: number[]): string {
  return graph.node('Reshape', name, [x, graph.integers(`${name}/shape`, shape)]);
}
