import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LoadedRecording } from '../../src/training/audio-cache.js';
import { fitTemperature, goldenSection, unknownThreshold } from '../../src/training/calibrate.js';
import { clipProbabilities } from '../../src/training/clip-logits.js';
import { NORMAL, type LabelSet } from '../../src/training/label-map.js';
import { Random } from '../../src/training/random.js';
import type { ClipPrediction } from '../../src/training/summary.js';

const recording = (file: string, set: LabelSet) => ({ file, set }) as LoadedRecording;
const prediction = (set: LabelSet, probabilities: number[]) => ({ set, probabilities }) as ClipPrediction;

describe('temperature', () => {
  it('finds the factor by which logits are too large', () => {
    const random = new Random(1);
    // Labels drawn from softmax(z): a model that gives 2.5·z is overconfident by 2.5.
    const clips = Array.from({ length: 4000 }, (_, i) => {
      const z = Array.from({ length: 4 }, () => 1.5 * random.normal());
      const p = clipProbabilities([z], 1);
      let label = 0;
      for (let u = random.next(); label < 3 && u > p[label]!; label++) u -= p[label]!;
      return { recording: recording(`${i}`, 1 << label), logits: { file: `${i}`, windows: [z.map((x) => 2.5 * x)] } };
    });
    const temperature = fitTemperature(clips.map((c) => c.recording), clips.map((c) => c.logits));
    expect(Math.abs(temperature - 2.5)).toBeLessThan(0.15);
  });

  it('leaves logits alone where there is nothing to fit', () => {
    expect(fitTemperature([recording('a', 0)], [{ file: 'a', windows: [[1, 2, 3, 4]] }])).toBe(1);
  });

  it('golden section finds the minimum (property)', () => {
    fc.assert(
      fc.property(fc.double({ min: -1.5, max: 1.5, noNaN: true }), (at) => {
        expect(Math.abs(goldenSection((x) => (x - at) ** 2, -1.6, 1.6) - at)).toBeLessThan(1e-3);
      }),
    );
  });

  it('a clip is the mean of its windows', () => {
    expect(clipProbabilities([[100, 0], [0, 100]], 1)).toEqual([expect.closeTo(0.5), expect.closeTo(0.5)]);
    expect(clipProbabilities([[1000, -1000]], 0.2).every(Number.isFinite)).toBe(true);
  });
});

describe('threshold for unknown', () => {
  it('is the confidence that the asked-for share reaches', () => {
    const predictions = [0.9, 0.8, 0.7, 0.6, 0.5].map((p) => prediction(NORMAL, [p, 1 - p, 0, 0]));
    expect(unknownThreshold(predictions, 0.8)).toBeCloseTo(0.6, 10);
  });
});
