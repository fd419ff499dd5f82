/** Thresholds of murmur and of abnormal: each from its own kind of data set, none from the clips that it judges. */
import { describe, expect, it } from 'vitest';
import { evenThreshold } from '../../src/training/even-threshold.js';
import { ABNORMAL, EXTRASYSTOLE, MURMUR, NORMAL, type LabelSet } from '../../src/training/label-map.js';
import { Random } from '../../src/training/random.js';
import { atOthersThreshold, fitSignThresholds } from '../../src/training/sign-thresholds.js';
import { ONE_HALF, signThresholds, summariseDataset, type ClipPrediction } from '../../src/training/summary.js';

/** A clip whose murmur has these log-odds against normal, and of which extrasystole takes `extra` of the probability. */
function clip(set: LabelSet, logOdds: number, extra = 0): ClipPrediction {
  const p = (1 - extra) / (1 + Math.exp(-logOdds));
  return { file: '', dataset: 'd', site: '', group: `${set} ${logOdds}`, label: '', set, durationS: 1, windows: 1, probabilities: [1 - extra - p, p, extra, 0] };
}

/** Log-odds N(±1, 1) about `centre`, where the best threshold is. */
function source(seed: number, positive: LabelSet, centre: number, count = 2_000): ClipPrediction[] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, i) => clip(i % 2 === 0 ? NORMAL : positive, centre + (i % 2 === 0 ? -1 : 1) + random.normal()));
}

const probability = (logOdds: number) => 1 / (1 + Math.exp(-logOdds));

describe('fitSignThresholds', () => {
  it('sets each kind where its own source is cut best', () => {
    const { murmur, abnormal } = fitSignThresholds([source(1, MURMUR, -1), source(2, ABNORMAL, 0.5)]);
    expect(murmur).toBeCloseTo(probability(-1), 1);
    expect(abnormal).toBeCloseTo(probability(0.5), 1);
  });

  it('lets the first source of a kind decide', () => {
    const first = source(1, MURMUR, -1);
    expect(fitSignThresholds([first, source(2, MURMUR, 2)]).murmur).toBe(evenThreshold(first));
  });

  it('takes the other kind’s threshold for one that no source has, and .5 where none has both sides', () => {
    const { murmur, abnormal } = fitSignThresholds([source(3, ABNORMAL, 1), [clip(MURMUR, 1)]]);
    expect(murmur).toBe(abnormal);
    expect(fitSignThresholds([[clip(NORMAL, 0)], []])).toEqual(ONE_HALF);
  });

  it('judges a murmur by murmur against normal, whatever share of the probability extrasystole takes', () => {
    // Normal clips in which extrasystole has .5 are no murmurs at all.
    const clips = [...[-3, -2, -2.5].map((x) => clip(NORMAL, x, 0.5)), ...[2, 3, 2.5].map((x) => clip(MURMUR, x)), clip(EXTRASYSTOLE, -3, 0.3)];
    const thresholds = fitSignThresholds([clips]);
    expect(summariseDataset(clips, thresholds, 1, 10).macc?.value).toBe(1);
  });
});

describe('atOthersThreshold', () => {
  it('judges each fold at what the others set', () => {
    const folds = [source(1, MURMUR, -1, 200), source(2, MURMUR, 0, 200), source(3, MURMUR, 1, 200)];
    const judged = atOthersThreshold(folds);
    expect(judged.map(({ threshold: _, ...clip }) => clip)).toEqual(folds.flat());
    const used = [0, 1, 2].map((i) => judged[200 * i]?.threshold);
    expect(used).toEqual([evenThreshold([...folds[1]!, ...folds[2]!]), evenThreshold([...folds[0]!, ...folds[2]!]), evenThreshold([...folds[0]!, ...folds[1]!])]);
  });
});

describe('a data set', () => {
  const thresholds = { murmur: 0.2, abnormal: 0.8 };
  const macc = (positive: LabelSet) => summariseDataset([clip(NORMAL, -2), clip(positive, 0)], thresholds, 1, 1).macc?.value;

  it('is judged at the threshold of what it calls positive', () => {
    expect(macc(MURMUR)).toBe(1);
    expect(macc(ABNORMAL)).toBe(0.5);
  });

  it('is judged at the one threshold of a package that has no other', () => {
    expect(signThresholds({ abnormal: 0.3 })).toEqual({ murmur: 0.3, abnormal: 0.3 });
  });
});
