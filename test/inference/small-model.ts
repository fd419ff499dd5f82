/** A ResNet small enough for the naive reference, and inputs for it. */
import { FRAME_BIAS } from '../../src/inference/frame-head.js';
import { randomStateDict } from '../../src/inference/random-state.js';
import { resnet34 } from '../../src/inference/resnet34.js';
import type { StateDict } from '../../src/inference/state-dict.js';

export const SMALL = { height: 24, width: 31, spec: resnet34(4, { stemWidth: 4, blocks: [1, 2, 1], widths: [4, 8, 12] }) };
export const smallState = (seed = 11) => randomStateDict(SMALL.spec, seed);

/** The same with a phase branch. 31 frames are 4 columns of 8: one output too many. */
export const SMALL_PHASE = { ...SMALL, spec: { ...SMALL.spec, phase: { height: SMALL.height, width: SMALL.width, phases: 5, members: 3, hidden: 6 } } };
export const smallPhaseState = (seed = 11) => randomStateDict(SMALL_PHASE.spec, seed);

/** The same network, its frame logits 200 higher: no softmax minds, but e^200 is no float32. */
export function loud(state: StateDict): StateDict {
  const { shape, data } = state.get(FRAME_BIAS)!;
  return new Map([...state, [FRAME_BIAS, { shape, data: data.map((value) => value + 200) }]]);
}

/** `count` inputs of order 1, the same for the same seed. */
export function inputs(count: number, seed = 1, size = SMALL.height * SMALL.width): Float32Array {
  return Float32Array.from({ length: count * size }, (_, i) => 2 * Math.sin(seed * 12.9898 + i * 0.71 + Math.sin(i * seed * 0.013) * 7));
}
