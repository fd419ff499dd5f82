/** The threshold by calibration, on scores whose best threshold is known. */
import { describe, expect, it } from 'vitest';
import { thresholdOn } from '../../src/training/floors.js';
import { evenThreshold } from '../../src/training/even-threshold.js';
import { Random } from '../../src/training/random.js';
import type { Vocabulary } from '../../src/training/label-map.js';
import type { ClipPrediction } from '../../src/training/summary.js';

const vocabulary: Vocabulary = { labels: ['normal', 'abnormal'], normal: 1, abnormal: 2, sign: 2, contrast: 'abnormal against normal' };
const probability = (logOdds: number) => 1 / (1 + Math.exp(-logOdds));

function clip(abnormal: boolean, logOdds: number): ClipPrediction {
  const p = probability(logOdds);
  return { file: '', dataset: '', site: '', group: '', label: '', set: abnormal ? 2 : 1, durationS: 1, windows: 1, probabilities: [1 - p, p] };
}

/** Log-odds N(±1, 1) about `centre`: sensitivity and specificity cross, and their mean is largest, at `centre`. */
function drawn(seed: number, clips: number, share: number, centre: number): ClipPrediction[] {
  const random = new Random(seed);
  return Array.from({ length: clips }, (_, i) => clip(i < share * clips, centre + (i < share * clips ? 1 : -1) + random.normal()));
}

describe('evenThreshold', () => {
  it('finds the best threshold of normal log-odds, whatever the share of abnormal clips', () => {
    for (const share of [0.1, 0.5, 0.8]) expect(evenThreshold(drawn(1, 4_000, share, -1.2), vocabulary)).toBeCloseTo(probability(-1.2), 1);
  });

  it('strays less on few clips than the best of their own scores', () => {
    const strays = (of: (clips: ClipPrediction[]) => number) => {
      const errors = Array.from({ length: 60 }, (_, seed) => {
        const threshold = of(drawn(seed, 200, 0.2, 0));
        return Math.log(threshold / (1 - threshold));
      });
      return Math.sqrt(errors.reduce((sum, e) => sum + e * e, 0) / errors.length);
    };
    expect(strays((clips) => evenThreshold(clips, vocabulary))).toBeLessThan(0.7 * strays((clips) => thresholdOn(clips, vocabulary)));
  });

  it('lies between two classes that do not overlap, and between scores of 0 and 1', () => {
    expect(evenThreshold([clip(false, -3), clip(false, -2), clip(true, 2), clip(true, 3)], vocabulary)).toBeCloseTo(0.5, 1);
    const extreme = evenThreshold([clip(false, -800), clip(true, 800)], vocabulary);
    expect(extreme).toBeGreaterThan(0.1);
    expect(extreme).toBeLessThan(0.9);
  });

  it('is .5 where a class is missing', () => {
    expect(evenThreshold([], vocabulary)).toBe(0.5);
    expect(evenThreshold([clip(true, 1)], vocabulary)).toBe(0.5);
  });

  it('takes the best of the scores where they fall with the truth, or say nothing', () => {
    for (const clips of [[clip(true, -2), clip(true, -1), clip(false, 1), clip(false, 2)], [clip(true, 0), clip(false, 0)]]) {
      expect(evenThreshold(clips, vocabulary)).toBe(thresholdOn(clips, vocabulary));
    }
  });
});
