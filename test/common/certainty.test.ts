import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { certaintyOf } from '../../src/common/certainty.js';

const last = (i: number) => i === 3;

describe('certaintyOf', () => {
  it('is the probability itself where no label is experimental', () => {
    expect(certaintyOf([0.5, 0.3, 0.2], 1, () => false)).toBeCloseTo(0.3, 12);
  });

  it('leaves the experimental labels out, but not from their own', () => {
    expect(certaintyOf([0.45, 0.25, 0.1, 0.2], 0, last)).toBeCloseTo(0.45 / 0.8, 12);
    expect(certaintyOf([0.2, 0.2, 0.2, 0.4], 3, last)).toBeCloseTo(0.4, 12);
  });

  it('is 0 where there is nothing to be sure of', () => {
    expect(certaintyOf([0, 0, 0, 1], 0, last)).toBe(0);
    expect(certaintyOf([], 0, last)).toBe(0);
  });

  it('is a probability and never below the label’s own, and the likeliest label has the largest', () => {
    const rows = fc.array(fc.double({ min: 0.001, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(rows, fc.nat(2), (row, index) => {
        const total = row.reduce((a, b) => a + b, 0);
        const p = row.map((x) => x / total);
        const certainty = certaintyOf(p, index, last);
        expect(certainty).toBeGreaterThanOrEqual(p[index]! - 1e-12);
        expect(certainty).toBeLessThanOrEqual(1 + 1e-12);
        const best = p.slice(0, 3).indexOf(Math.max(...p.slice(0, 3)));
        expect(certaintyOf(p, best, last)).toBeGreaterThanOrEqual(certainty - 1e-12);
      }),
    );
  });
});
