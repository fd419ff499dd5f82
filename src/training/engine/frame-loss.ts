/** The frame head's loss and probabilities; the head itself is in src/inference/frame-head.ts. */
import type { FrameHead } from '../../inference/frame-head.js';
import { softmax } from './loss.js';

/**
 * Cross-entropy −Σ_s t_s·log p_s over the frames, divided by the sum of all targets, so that unknown frames (all-zero
 * rows) neither pull nor dilute.
 * @param logits n × columns × K × states.
 * @param targets n × width × states, ≥ 0; a row may sum to less than one.
 * @returns the mean loss in nats and its gradient by the logits; null where no frame has a target.
 */
export function frameLoss(logits: Float32Array, n: number, head: FrameHead, targets: Float32Array): { loss: number; gradient: Float32Array } | null {
  const { states } = head;
  const total = targets.reduce((sum, target) => sum + target, 0);
  if (!(total > 0)) return null;
  const gradient = new Float32Array(logits.length);
  const p = new Float64Array(states);
  let loss = 0;
  forEachFrame(head, n, (at, from) => {
    let mass = 0;
    for (let s = 0; s < states; s++) mass += targets[at + s]!;
    if (mass === 0) return;
    softmax(logits, from, p);
    for (let s = 0; s < states; s++) {
      const target = targets[at + s]!;
      if (target > 0) loss -= target * Math.log(Math.max(p[s]!, 1e-30));
      gradient[from + s] = (mass * p[s]! - target) / total;
    }
  });
  return { loss: loss / total, gradient };
}

/** @param logits n × columns × K × states. @returns n × width × states probabilities. */
export function frameProbabilities(logits: Float32Array, n: number, head: FrameHead): Float32Array {
  const probabilities = new Float32Array(n * head.width * head.states);
  const p = new Float64Array(head.states);
  forEachFrame(head, n, (at, from) => {
    softmax(logits, from, p);
    probabilities.set(p, at);
  });
  return probabilities;
}

/** Calls back with where a frame's states start in n × width × states and in the head's outputs. */
function forEachFrame({ states, width, columns, framesPerColumn, offset }: FrameHead, n: number, visit: (at: number, from: number) => void): void {
  for (let row = 0; row < n; row++) {
    const start = row * columns * framesPerColumn + offset;
    for (let frame = 0; frame < width; frame++) visit((row * width + frame) * states, (start + frame) * states);
  }
}
