import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bootstrapByGroup, quantile } from '../../src/training/bootstrap.js';
import { fitLogistic } from '../../src/training/logistic.js';
import * as metrics from '../../src/training/metrics.js';
import { Random } from '../../src/training/random.js';

interface Case {
  actual: number[];
  scores: number[];
  predicted: number[];
  classes: number;
  accuracy: number;
  balancedAccuracy: number;
  macroF1: number;
  auroc: number;
  confusion: number[][];
  roc: [number, number][];
  f1: number[];
}
const fixture = JSON.parse(readFileSync(new URL('fixtures/metrics.json', import.meta.url), 'utf8')) as {
  cases: Case[];
  logistic: { x: number[][]; y: number[]; l2: number; probabilities: number[][] };
};

describe('metrics equal scikit-learn (fixtures/make-sklearn.py)', () => {
  it.each(fixture.cases)('case %#', (c) => {
    const positive = c.actual.map((label) => label === 1);
    expect(metrics.accuracy(c.actual, c.predicted)).toBeCloseTo(c.accuracy, 12);
    expect(metrics.balancedAccuracy(c.actual, c.predicted)).toBeCloseTo(c.balancedAccuracy, 12);
    expect(metrics.macroF1(c.actual, c.predicted)).toBeCloseTo(c.macroF1, 12);
    expect(metrics.auroc(positive, c.scores)).toBeCloseTo(c.auroc, 12);
    expect(metrics.confusionMatrix(c.actual, c.predicted, c.classes)).toEqual(c.confusion);
    c.f1.forEach((value, label) => expect(metrics.f1(c.actual, c.predicted, label)).toBeCloseTo(value, 12));
    const roc = metrics.rocCurve(positive, c.scores);
    expect(roc.map((p) => [p.falsePositiveRate, p.sensitivity])).toHaveLength(c.roc.length);
    roc.forEach((p, i) => {
      expect(p.falsePositiveRate).toBeCloseTo(c.roc[i]?.[0] ?? NaN, 12);
      expect(p.sensitivity).toBeCloseTo(c.roc[i]?.[1] ?? NaN, 12);
    });
  });

  it('logistic regression reaches the same optimum', () => {
    const { x, y, l2, probabilities } = fixture.logistic;
    const model = fitLogistic(x, y, 3, { l2, iterations: 3000 });
    x.forEach((row, i) => model.predict(row).forEach((p, k) => expect(p).toBeCloseTo(probabilities[i]?.[k] ?? NaN, 4)));
  });
});

describe('metrics by hand', () => {
  it('AUROC counts ties half and is undefined with one class', () => {
    expect(metrics.auroc([true, false], [0.5, 0.5])).toBe(0.5);
    expect(metrics.auroc([true, true], [0.1, 0.5])).toBeNaN();
  });

  it('AUROC is the share of rightly ordered pairs (property)', () => {
    const items = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 5 })), { minLength: 2, maxLength: 30 });
    fc.assert(
      fc.property(items, (list) => {
        const positive = list.filter(([p]) => p).map(([, s]) => s);
        const negative = list.filter(([p]) => !p).map(([, s]) => s);
        fc.pre(positive.length > 0 && negative.length > 0);
        let wins = 0;
        for (const p of positive) for (const n of negative) wins += p > n ? 1 : p === n ? 0.5 : 0;
        const value = metrics.auroc(list.map(([p]) => p), list.map(([, s]) => s));
        expect(value).toBeCloseTo(wins / (positive.length * negative.length), 10);
      }),
    );
  });

  it('the best threshold maximises (sensitivity + specificity) / 2', () => {
    const positive = [false, false, true, false, true, true];
    const scores = [0.1, 0.2, 0.4, 0.5, 0.6, 0.9];
    const threshold = metrics.bestThreshold(positive, scores);
    expect(metrics.meanSensitivitySpecificity(positive, scores, threshold)).toBeCloseTo(5 / 6, 10);
    expect(threshold).toBeCloseTo(0.3, 10);
  });

  it('calibration error and coverage', () => {
    const confidence = [0.95, 0.95, 0.55, 0.55];
    const correct = [true, true, true, false];
    expect(metrics.expectedCalibrationError(confidence, correct)).toBeCloseTo(0.05, 10);
    expect(metrics.accuracyAtCoverage(confidence, correct, 0.5)).toEqual({ accuracy: 1, confidence: 0.95 });
    expect(metrics.accuracyAtCoverage(confidence, correct, 1).accuracy).toBe(0.75);
  });
});

describe('bootstrap', () => {
  it('is reproducible and covers a known mean about 95 % of the time', () => {
    const random = new Random(3);
    let covered = 0;
    for (let trial = 0; trial < 200; trial++) {
      const values = Array.from({ length: 60 }, () => random.normal());
      const groups = values.map((_, i) => `g${i}`);
      const interval = bootstrapByGroup(groups, (items) => metrics.mean(items.map((i) => values[i] ?? 0)), trial, 200);
      if (interval.low <= 0 && interval.high >= 0) covered++;
    }
    expect(covered / 200).toBeGreaterThan(0.88);
    expect(covered / 200).toBeLessThan(0.99);
  });

  it('is wider when items hang together in groups', () => {
    const random = new Random(4);
    const effects = Array.from({ length: 12 }, () => random.normal());
    const values = effects.flatMap((effect) => Array.from({ length: 20 }, () => effect + 0.1 * random.normal()));
    const statistic = (items: readonly number[]) => metrics.mean(items.map((i) => values[i] ?? 0));
    const width = (groups: string[]) => {
      const interval = bootstrapByGroup(groups, statistic, 1);
      return interval.high - interval.low;
    };
    expect(width(values.map((_, i) => `s${Math.floor(i / 20)}`))).toBeGreaterThan(2.5 * width(values.map((_, i) => `r${i}`)));
  });

  it('quantiles interpolate as numpy does', () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3, 4], 0.025)).toBeCloseTo(1.075, 12);
  });
});
