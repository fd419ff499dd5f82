/**
 * Half windows: most of what a network learns early it learns from 1.5 s of sound as well as from 3 s, at little more
 * than half the cost. A stage can therefore begin on the first half of each window (progressive resizing, as fastai has it for pictures).
 */
import { frameHead } from '../inference/frame-head.js';
import type { ResNetSpec } from '../inference/resnet34.js';
import { invalidOption } from './option-checks.js';
import type { Batch } from './sampler.js';

/** Time of a step on half windows over that of one on whole ones, of a ResNet-34 on 64 × 188 values (measured, batch of 16): the update costs both the same. */
export const HALF_WINDOW_COST = 0.6;

/**
 * Frames of a half window: the most, up to half of a whole one, at which every output of the frame head means the frame
 * that it means in a whole one (of 188 frames: 92). Throws TRAINING_OPTION_INVALID where there is no such number.
 */
export function halfWidth(spec: ResNetSpec, windowFrames: number): number {
  const whole = frameHead(spec, windowFrames, 2);
  const fits = (width: number) => {
    const { offset, framesPerColumn } = frameHead(spec, width, 2);
    return offset === whole.offset && framesPerColumn === whole.framesPerColumn;
  };
  let width = Math.floor(windowFrames / 2);
  while (width > 0 && !fits(width)) width--;
  if (width > 0) return width;
  throw invalidOption('halfWindows', 'asked for', `0 with windows of ${windowFrames} frames, whose half the frame head would count otherwise`);
}

/** The first `width` of the `windowFrames` frames of every window of a batch, with what is known of them. */
export function firstFrames({ x, frameTargets, ...batch }: Batch, windowFrames: number, width: number): Batch {
  const states = (frameTargets?.length ?? 0) / (batch.n * windowFrames);
  return {
    ...batch,
    width,
    x: leading(x, windowFrames, width),
    ...(frameTargets ? { frameTargets: leading(frameTargets, windowFrames * states, width * states) } : {}),
  };
}

/** The first `kept` of every `each` values. */
function leading(values: Float32Array, each: number, kept: number): Float32Array {
  const all = new Float32Array((values.length / each) * kept);
  for (let from = 0, at = 0; from < values.length; from += each, at += kept) all.set(values.subarray(from, from + kept), at);
  return all;
}
