/** How often a frame head is right about the heart's state, over the frames whose state is known. */
import { nextTurn } from '../common/next-turn.js';
import type { FeatureParams } from '../features/index.js';
import type { LoadedRecording } from './audio-cache.js';
import { clipWindows } from './clip-windows.js';
import { windowStates } from './frame-targets.js';
import { HEART_STATES, STATE_OF_PHASE, type StateInterval } from './heart-states.js';

export interface FrameFigures {
  /** Share of known frames whose likeliest state is the right one. */
  value: number;
  frames: number;
  clips: number;
  /** The same among the frames of each state; null where there are none. */
  recall: Record<string, number | null>;
}

/** Probabilities of count model inputs, count × windowFrames × states; or × phases, which are judged by their states. */
export type FramesOf = (x: Float32Array, count: number) => Float32Array;

/**
 * Windows of each clip side by side (not every hop, so that a frame is judged about once); null where no clip has
 * states.
 * @param states by a recording's absolute path.
 */
export async function frameAccuracy(recordings: readonly LoadedRecording[], states: ReadonlyMap<string, readonly StateInterval[]>, params: FeatureParams, framesOf: FramesOf): Promise<FrameFigures | null> {
  const stride = Math.max(1, Math.floor(params.windowFrames / params.windowHopFrames));
  const known = HEART_STATES.map(() => 0);
  const right = HEART_STATES.map(() => 0);
  let clips = 0;
  for (const { path, pcm } of recordings) {
    const own = states.get(path);
    if (!own || own.length === 0) continue;
    clips++;
    clipWindows(pcm, params).forEach((input, index) => {
      if (index % stride === 0) countFrames(windowStates(own, index, pcm.length, params), framesOf(input, 1), known, right);
    });
    await nextTurn();
  }
  const frames = sum(known);
  if (frames === 0) return null;
  return { value: sum(right) / frames, frames, clips, recall: Object.fromEntries(HEART_STATES.map((name, s) => [name, known[s]! > 0 ? right[s]! / known[s]! : null])) };
}

function countFrames(states: Int8Array, probabilities: Float32Array, known: number[], right: number[]): void {
  states.forEach((state, frame) => {
    if (state < 0) return;
    known[state]!++;
    const row = byState(probabilities.subarray((frame * probabilities.length) / states.length, ((frame + 1) * probabilities.length) / states.length));
    if (row.indexOf(Math.max(...row)) === state) right[state]!++;
  });
}

/** Probabilities of a frame's states, from those of its states or phases. */
function byState(probabilities: Float32Array): number[] {
  if (probabilities.length === HEART_STATES.length) return [...probabilities];
  return HEART_STATES.map((_, state) => probabilities.reduce((total, p, phase) => (STATE_OF_PHASE[phase] === state ? total + p : total), 0));
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
