/**
 * Heart states in frames of the spectrogram: what the frame head is to say of each column of a model input.
 *
 * A frame is where the centre of its analysis window is. Rows are one-hot over HEART_STATES or HEART_PHASES, all zero =
 * unknown.
 */
import type { FeatureParams } from '../features/index.js';
import { supportOffsetSamples } from '../features/params.js';
import { frameClassCount, phaseAt, stateAt, type FrameClasses, type StateInterval } from './heart-states.js';

/** Where a training segment came from in its clip. */
export interface SegmentSource {
  states?: readonly StateInterval[] | undefined;
  /** First sample, at the model's rate; need not be whole. */
  startSamples: number;
  /** Source samples per sample of the segment (time stretch). */
  ratio: number;
  /** Length of the segment in samples. */
  lengthSamples: number;
}

/** Frames that a segment has of its own; a window of more repeats them cyclically. At least 1. */
export function ownFrames(lengthSamples: number, { mel, windowFrames }: FeatureParams): number {
  return Math.min(windowFrames, 1 + Math.max(0, Math.floor((lengthSamples - mel.nFft) / mel.hopLength)));
}

/** Targets (windowFrames × classes) of one segment, as window-featuriser.ts lays out its frames. */
export function segmentTargets({ states, startSamples, ratio, lengthSamples }: SegmentSource, params: FeatureParams, classes: FrameClasses = 'states'): Float32Array {
  const { mel, windowFrames } = params;
  const count = frameClassCount(classes);
  const targets = new Float32Array(windowFrames * count);
  if (!states || states.length === 0) return targets;
  const frames = ownFrames(lengthSamples, params);
  const centre = supportOffsetSamples(mel) + mel.winLength / 2;
  for (let t = 0; t < windowFrames; t++) {
    const within = centre + (t % frames) * mel.hopLength;
    // A segment shorter than an analysis window is padded with zeros; nothing is heard there.
    if (within >= lengthSamples) continue;
    const found = (classes === 'states' ? stateAt : phaseAt)(states, (startSamples + within * ratio) / mel.sampleRateHz);
    if (found >= 0) targets[t * count + found] = 1;
  }
  return targets;
}

/** States of window `index` of a whole clip, frame by frame, as offlineWindows lays it out; −1 = unknown. */
export function windowStates(states: readonly StateInterval[], index: number, clipSamples: number, params: FeatureParams): Int8Array {
  const { mel, windowFrames, windowHopFrames } = params;
  const first = supportOffsetSamples(mel) - (mel.center ? mel.nFft / 2 : 0) + mel.winLength / 2;
  const frames = mel.center ? Math.min(windowFrames, 1 + Math.floor(clipSamples / mel.hopLength)) : ownFrames(clipSamples, params);
  return Int8Array.from({ length: windowFrames }, (_, t) => stateAt(states, (first + (index * windowHopFrames + (t % frames)) * mel.hopLength) / mel.sampleRateHz));
}
