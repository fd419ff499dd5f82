/** Batches of noise for tests of the engine. */
import type { TrainingBatch } from '../../../src/training/engine/trainer.js';

/** Uniform numbers in 0…1 by a linear congruential generator. */
export const random = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 4294967296;
};

/** n windows of noise, of each of four labels in turn. */
export function noiseBatch(seed: number, n: number, height: number, width: number): TrainingBatch {
  const next = random(seed);
  const x = new Float32Array(n * height * width).map(() => 2 * next() - 1);
  const sets = new Float32Array(n * 4);
  for (let i = 0; i < n; i++) sets[4 * i + (i % 4)] = 1;
  return { x, n, setsA: sets, setsB: sets, lambda: new Float32Array(n).fill(1) };
}
