import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { discriminativeRates } from '../../../src/training/engine/rates.js';
import { findLearningRate, oneCycle, valleyIndex } from '../../../src/training/engine/schedule.js';

describe('oneCycle', () => {
  const at = oneCycle({ steps: 100, maxLearningRate: 0.01 });

  it('rises from a 25th to the peak in a quarter of the steps, and ends at a 100,000th', () => {
    expect(at(0).learningRate).toBeCloseTo(0.01 / 25, 9);
    expect(at(25).learningRate).toBeCloseTo(0.01, 9);
    expect(at(99).learningRate).toBeCloseTo(1e-7, 12);
    const rates = Array.from({ length: 100 }, (_, step) => at(step).learningRate);
    expect(rates.indexOf(Math.max(...rates))).toBe(25);
    rates.slice(1).forEach((rate, i) => expect(Math.sign(rate - rates[i]!)).toBe(i < 25 ? 1 : -1));
  });

  it('moves the momentum the other way', () => {
    expect(at(0).beta1).toBeCloseTo(0.95, 9);
    expect(at(25).beta1).toBeCloseTo(0.85, 9);
    expect(at(99).beta1).toBeCloseTo(0.95, 9);
  });

  it('stays finite for a cycle of one step', () => {
    const { learningRate, beta1 } = oneCycle({ steps: 1, maxLearningRate: 0.01 })(0);
    expect(Number.isFinite(learningRate) && Number.isFinite(beta1)).toBe(true);
  });
});

describe('findLearningRate', () => {
  /** A loss that falls around 1e-3 and explodes from 0.1 on. */
  const landscape = (rate: number) => 1 - 0.8 / (1 + (1e-3 / rate) ** 2) + (rate / 0.1) ** 4;

  it('finds where the loss falls, on the safe side of where it explodes', () => {
    const { points, steepest, valley, suggestion } = findLearningRate(landscape);
    expect(points[0]?.learningRate).toBeCloseTo(1e-7, 12);
    expect(suggestion).toBe(valley);
    for (const rate of [steepest, valley]) {
      expect(rate).toBeGreaterThan(1e-5);
      expect(rate).toBeLessThan(0.1);
    }
  });

  it.each([[1, 85, 56], [2, 85, 51], [3, 85, 49], [4, 40, 24], [5, 12, 5]])('suggests what fastai does on a noisy curve (seed %d)', (seed, points, expected) => {
    // Expected: fastai's function of the same name, run in Python on these very numbers.
    const losses = Array.from({ length: points }, (_, i) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      const x = i / points;
      return 1.2 - (x > 0.55 ? 0.5 : 0.15 * x) + (x > 0.8 ? 8 * (x - 0.8) ** 2 : 0) + (0.1 * seed) / 2 ** 32;
    });
    expect(valleyIndex(losses)).toBe(expected);
  });

  it('suggests something of any losses', () => {
    expect(valleyIndex([])).toBe(-1);
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 3, noNaN: true }), { minLength: 1, maxLength: 60 }), (losses) => {
        const index = valleyIndex(losses);
        expect(Number.isInteger(index) && index >= 0 && index < losses.length).toBe(true);
      }),
    );
    for (const steps of [1, 2, 5, 16, 100]) expect(findLearningRate(landscape, { steps }).suggestion).toBeGreaterThan(0);
  });

  it('stops once the loss explodes', () => {
    let highest = 0;
    findLearningRate((rate) => landscape((highest = rate)));
    expect(highest).toBeLessThan(10);
  });

  it('survives a loss that is no number', () => {
    const { points, suggestion } = findLearningRate((rate) => (rate > 1e-3 ? NaN : 1 - 100 * rate));
    expect(points.every(({ loss }) => Number.isFinite(loss))).toBe(true);
    expect(suggestion).toBeLessThan(1e-3);
  });
});

describe('discriminativeRates', () => {
  it('spaces three groups geometrically', () => {
    const rate = discriminativeRates(0.01);
    expect(['conv1.weight', 'layer2.3.bn2.bias', 'layer3.0.conv1.weight', 'layer4.2.bn1.weight', 'fc.weight'].map(rate)).toEqual([0.01, 0.01, 0.1, 0.1, 1]);
  });
});
