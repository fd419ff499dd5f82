/**
 * The phase branch: a second opinion beside the ResNet's, from what each band does in each phase of the beat.
 *
 * The frame head gives every frame t a logit per phase k; p_tk is their softmax over the phases. Phase k is heard as the
 * mean of the input over time, weighted by how surely a frame is in it:
 *
 *     F_bk = Σ_t a_tk · x_bt     with     a_tk = p_tk / Σ_t p_tk
 *
 * and small two-layer networks ("members", each with its own hidden units) make logits of F. The whole network's logits
 * are (1 − w) of the trunk's and w = PHASE_SHARE of the members' mean. Computed as softmax over time of the log-softmax over phases,
 * which is the same and needs no division.
 *
 * Folded (see fold-batch-norm.ts) the members are one two-layer network and both shares are in the weights, so that the
 * logits are a plain sum.
 */
import { frameHead, frameParameters, type FrameHead } from './frame-head.js';
import { featureChannels, type ParameterSpec, type PhaseBranchSpec, type ResNetSpec } from './resnet34.js';
import { requireTensor, type StateDict } from './state-dict.js';

/** The members' part in the logits. With a half the network is surer of what it misses on devices that it was never trained on (docs/experiments.md). */
export const PHASE_SHARE = 0.25;

/** Names of its parameters; those of the frame head are FRAME_WEIGHT and FRAME_BIAS. */
export const PHASE_HIDDEN_WEIGHT = 'phase.hidden.weight';
export const PHASE_HIDDEN_BIAS = 'phase.hidden.bias';
export const PHASE_OUT_WEIGHT = 'phase.out.weight';
export const PHASE_OUT_BIAS = 'phase.out.bias';

/** The frame head that the branch reads. */
export function phaseFrameHead(spec: ResNetSpec, { width, phases }: PhaseBranchSpec): FrameHead {
  return frameHead(spec, width, phases);
}

/**
 * Its parameters, the frame head's first: hidden weight [members·hidden, height·phases] over F in the order b·phases + k,
 * hidden bias [members·hidden], out weight [members·labels, hidden], out bias [members·labels].
 */
export function phaseParameters(spec: ResNetSpec, branch: PhaseBranchSpec): ParameterSpec[] {
  const { height, phases, members, hidden } = branch;
  return [
    ...frameParameters(phaseFrameHead(spec, branch)),
    { name: PHASE_HIDDEN_WEIGHT, shape: [members * hidden, height * phases], kind: 'linearWeight', trainable: true },
    { name: PHASE_HIDDEN_BIAS, shape: [members * hidden], kind: 'linearBias', trainable: true },
    { name: PHASE_OUT_WEIGHT, shape: [members * spec.labels, hidden], kind: 'linearWeight', trainable: true },
    { name: PHASE_OUT_BIAS, shape: [members * spec.labels], kind: 'linearBias', trainable: true },
  ];
}

/**
 * The branch that the weights hold, read from their shapes; undefined where they hold none. Folded ones have one member.
 * Where a part is missing or does not fit an input of that height, whole numbers near it: `requireTensor` tells later.
 */
export function phaseBranchOf(state: ReadonlyMap<string, { shape: number[] }>, labels: number, { height, width }: { height: number; width: number }): PhaseBranchSpec | undefined {
  if (!state.has(PHASE_HIDDEN_WEIGHT) && !state.has(PHASE_OUT_WEIGHT)) return undefined;
  const [, inputs = 0] = state.get(PHASE_HIDDEN_WEIGHT)?.shape ?? [];
  const [outputs = 0, hidden = 0] = state.get(PHASE_OUT_WEIGHT)?.shape ?? [];
  return { height, width, phases: Math.max(2, Math.round(inputs / height)), members: Math.max(1, Math.round(outputs / labels)), hidden };
}

/**
 * The branch's part of folded weights, and the trunk's classifier at its share: logits = fc·pooled + out·relu(hidden·F).
 * @throws StageError INFERENCE_WEIGHTS_INVALID where a tensor is missing, misshapen or not finite.
 */
export function foldPhaseBranch(state: StateDict, spec: ResNetSpec, branch: PhaseBranchSpec): StateDict {
  const { members, hidden } = branch;
  const { labels } = spec;
  const folded: StateDict = new Map();
  const read = new Map(phaseParameters(spec, branch).map(({ name, shape }) => [name, requireTensor(state, name, shape)]));
  const data = (name: string) => read.get(name)?.data ?? new Float32Array(0);
  for (const [name, { shape, data: values }] of read) if (name !== PHASE_OUT_WEIGHT && name !== PHASE_OUT_BIAS) folded.set(name, { shape: [...shape], data: values.slice() });
  const outWeight = data(PHASE_OUT_WEIGHT);
  const outBias = data(PHASE_OUT_BIAS);
  const weight = new Float32Array(labels * members * hidden);
  const bias = new Float32Array(labels);
  for (let m = 0; m < members; m++) {
    for (let label = 0; label < labels; label++) {
      const row = m * labels + label;
      bias[label]! += ((outBias[row] ?? 0) * PHASE_SHARE) / members;
      for (let h = 0; h < hidden; h++) weight[label * members * hidden + m * hidden + h] = ((outWeight[row * hidden + h] ?? 0) * PHASE_SHARE) / members;
    }
  }
  folded.set(PHASE_OUT_WEIGHT, { shape: [labels, members * hidden], data: weight });
  folded.set(PHASE_OUT_BIAS, { shape: [labels], data: bias });
  for (const [name, shape] of [['fc.weight', [labels, featureChannels(spec)]], ['fc.bias', [labels]]] as const) {
    folded.set(name, { shape: [...shape], data: requireTensor(state, name, [...shape]).data.map((value) => value * (1 - PHASE_SHARE)) });
  }
  return folded;
}
