import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { setLoss } from '../../../src/training/engine/loss.js';

const row = (...values: number[]) => Float32Array.from(values);
const one = row(1);

describe('setLoss', () => {
  it('is cross-entropy for a set of one class', () => {
    const { loss, gradient } = setLoss(row(Math.log(1), Math.log(3)), 1, { setsA: row(0, 1), setsB: row(0, 1), lambda: one, smoothing: 0 });
    expect(loss).toBeCloseTo(-Math.log(0.75), 6);
    expect([...gradient]).toEqual([expect.closeTo(0.25, 6), expect.closeTo(-0.25, 6)]);
  });

  it('asks nothing of how probability is shared within a set', () => {
    const sets = row(0, 1, 1, 0);
    const { loss, gradient } = setLoss(row(0, 0, 0, 0), 1, { setsA: sets, setsB: sets, lambda: one, smoothing: 0 });
    expect(loss).toBeCloseTo(-Math.log(0.5), 6);
    expect([...gradient].map((g) => +g.toFixed(6))).toEqual([0.25, -0.25, -0.25, 0.25]);
    expect(setLoss(row(3, 1, 2, 0), 1, { setsA: row(1, 1, 1, 1), setsB: sets, lambda: one, smoothing: 0 }).loss).toBeCloseTo(0, 6);
  });

  it('has the gradient that finite differences show, with mixing, smoothing and weights', () => {
    const value = fc.double({ min: -3, max: 3, noNaN: true });
    const mask = fc.constantFrom([1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1], [1, 1, 1, 0]);
    const unit = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 4, maxLength: 4 }), mask, mask, unit, unit, (logits, a, b, lambda, weight) => {
        const inputs = { setsA: row(...a), setsB: row(...b), lambda: row(lambda), weight: row(weight), smoothing: 0.1 };
        const { gradient } = setLoss(row(...logits), 1, inputs);
        logits.forEach((_, c) => {
          const nudged = (by: number) => setLoss(row(...logits.map((z, i) => (i === c ? z + by : z))), 1, inputs).loss;
          expect(gradient[c]).toBeCloseTo((nudged(0.01) - nudged(-0.01)) / 0.02, 3);
        });
      }),
    );
  });
});
