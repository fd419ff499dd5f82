import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { indexOfMax, LabelSmoother } from '../../src/labels/smoothing.js';

const p = (...values: number[]) => Float32Array.from(values);

describe('LabelSmoother', () => {
  it('starts with the first window as it is', () => {
    const first = new LabelSmoother().push(p(0.2, 0.8), 3000);
    expect(first.index).toBe(1);
    expect(first.confidence).toBeCloseTo(0.8, 6);
  });

  it('forgets with its time constant', () => {
    const smoother = new LabelSmoother({ timeConstantMs: 500, margin: 0 });
    smoother.push(p(1, 0), 0);
    expect(smoother.push(p(1, 0), 0).confidence).toBe(1);
    smoother.push(p(0, 1), 500);
    const { index, confidence } = smoother.push(p(0, 1), 500);
    expect(index).toBe(1);
    // No time passed in the second push, so only the first one decayed the average, by e^-1.
    expect(confidence).toBeCloseTo(1 - Math.exp(-1), 6);
  });

  it('holds a label against a challenger that leads by less than the margin', () => {
    const smoother = new LabelSmoother({ timeConstantMs: 0, margin: 0.2 });
    expect(smoother.push(p(0.6, 0.4), 0).index).toBe(0);
    expect(smoother.push(p(0.45, 0.55), 250).index).toBe(0);
    expect(smoother.push(p(0.35, 0.65), 500).index).toBe(1);
    expect(smoother.push(p(0.55, 0.45), 750).index).toBe(1);
  });

  it('changes its label within a second of an unmistakable change', () => {
    const smoother = new LabelSmoother();
    for (let t = 0; t < 5000; t += 256) smoother.push(p(0.95, 0.05), t);
    let changedAt = Infinity;
    for (let t = 5000; t < 7000; t += 256) if (smoother.push(p(0.05, 0.95), t).index === 1) changedAt = Math.min(changedAt, t);
    expect(changedAt - 5000).toBeLessThan(1000);
  });

  it('starts afresh after reset', () => {
    const smoother = new LabelSmoother();
    smoother.push(p(1, 0), 0);
    smoother.reset();
    expect(smoother.push(p(0, 1), 250)).toEqual({ index: 1, confidence: 1 });
  });

  it('keeps confidence a probability whatever the windows say', () => {
    const row = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 30 }), (rows) => {
        const smoother = new LabelSmoother();
        rows.forEach((values, i) => {
          const { confidence, index } = smoother.push(Float32Array.from(values), i * 256);
          expect(confidence).toBeGreaterThanOrEqual(0);
          expect(confidence).toBeLessThanOrEqual(1);
          expect(index).toBeGreaterThanOrEqual(0);
          expect(index).toBeLessThan(4);
        });
      }),
    );
  });
});

describe('indexOfMax', () => {
  it('takes the first of equals', () => expect(indexOfMax([0, 3, 3])).toBe(1));
});
