import { describe, expect, it } from 'vitest';
import { FRAME_KINDS, hideFrames, makeCodebook } from '../../src/training/masked-frames.js';
import { Random } from '../../src/training/random.js';
import type { Batch } from '../../src/training/sampler.js';

const size = { nMels: 32, windowFrames: 80 };
const area = size.nMels * size.windowFrames;

/** Windows of two alternating kinds of frame, low and high bands, in runs of 8 frames; a little noise. */
function batchOf(seed: number, n = 4): Batch {
  const random = new Random(seed);
  const x = new Float32Array(n * area);
  for (let i = 0; i < x.length; i++) {
    const [band, t] = [Math.floor((i % area) / size.windowFrames), i % size.windowFrames];
    const low = Math.floor(t / 8) % 2 === 0;
    x[i] = (low === band < 16 ? 1 : -1) + 0.01 * random.normal();
  }
  return { x, n, setsA: new Array<number>(n).fill(15), setsB: new Array<number>(n).fill(15), lambda: new Float32Array(n).fill(1) };
}

const codebook = makeCodebook([batchOf(1), batchOf(2)], size, 5);
const kinds = (row: Float32Array) => Array.from({ length: size.windowFrames }, (_, t) => row.subarray(t * FRAME_KINDS, (t + 1) * FRAME_KINDS).indexOf(1));

describe('hidden frames', () => {
  const plain = batchOf(3);
  const hidden = hideFrames(batchOf(3), codebook, size, 9, 0);
  const rows = Array.from({ length: plain.n }, (_, row) => kinds(hidden.frameTargets!.subarray(row * size.windowFrames * FRAME_KINDS, (row + 1) * size.windowFrames * FRAME_KINDS)));

  it('are silent, and asked for; the others are as they were, and not', () => {
    rows.forEach((row, index) => {
      row.forEach((kind, t) => {
        for (let band = 0; band < size.nMels; band++) {
          const at = index * area + band * size.windowFrames + t;
          expect(hidden.x[at]).toBe(kind < 0 ? plain.x[at] : 0);
        }
      });
    });
  });

  it('are about 45 % of the frames, in stretches, elsewhere in every window and step', () => {
    for (const row of rows) {
      const share = row.filter((kind) => kind >= 0).length / row.length;
      expect(share).toBeGreaterThanOrEqual(0.45);
      expect(share).toBeLessThan(0.76);
      const stretches = row.filter((kind, t) => kind >= 0 && (row[t - 1] ?? -1) < 0).length;
      expect(stretches).toBeLessThanOrEqual(6);
    }
    expect(new Set(rows.map((row) => row.map((kind) => kind >= 0).join())).size).toBe(plain.n);
    expect(hideFrames(batchOf(3), codebook, size, 9, 1).x).not.toEqual(hidden.x);
    expect(hideFrames(batchOf(3), codebook, size, 10, 0).x).not.toEqual(hidden.x);
  });

  it('are the same for the same seed and step: a run goes on as it would have', () => {
    expect(hideFrames(batchOf(3), codebook, size, 9, 0)).toEqual(hidden);
    expect(makeCodebook([batchOf(1), batchOf(2)], size, 5)).toEqual(codebook);
  });

  it('are told apart by what was there before they were hidden', () => {
    // Middle frames of a run have no neighbours of the other kind in reach.
    const middle = (parity: number) => new Set(rows.flatMap((row) => row.filter((kind, t) => kind >= 0 && t % 8 >= 3 && t % 8 <= 4 && Math.floor(t / 8) % 2 === parity)));
    const [low, high] = [middle(0), middle(1)];
    expect(low.size).toBeGreaterThan(0);
    expect(high.size).toBeGreaterThan(0);
    for (const kind of low) expect(high.has(kind)).toBe(false);
  });
});
