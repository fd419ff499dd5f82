import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { calibratedSoftmax } from '../../src/inference/calibrate.js';

describe('calibrated softmax', () => {
  it('gives the values of the formula', () => {
    const [a, b] = calibratedSoftmax([Math.log(3) * 2, 0], 2, 2);
    expect(a).toBeCloseTo(0.75, 6);
    expect(b).toBeCloseTo(0.25, 6);
  });

  it('treats rows apart, and survives logits that overflow an exponential', () => {
    expect([...calibratedSoftmax([1000, 0, -1e30, 1e30], 2, 1)]).toEqual([1, 0, 0, 1]);
  });

  it('sums to 1, keeps the order of the logits, and softens with temperature', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 2, maxLength: 6 }), fc.double({ min: 0.1, max: 10, noNaN: true }), (logits, temperature) => {
        const probabilities = calibratedSoftmax(logits, logits.length, temperature);
        expect(probabilities.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
        const top = logits.indexOf(Math.max(...logits));
        expect(probabilities[top]).toBe(Math.max(...probabilities));
        const softer = calibratedSoftmax(logits, logits.length, temperature * 2);
        expect(softer[top]!).toBeLessThanOrEqual(probabilities[top]! + 1e-6);
      }),
    );
  });

  it('gives NaN for a row that holds NaN, and only for it', () => {
    expect([...calibratedSoftmax([NaN, 1, 2, 2], 2, 1)]).toEqual([NaN, NaN, 0.5, 0.5]);
  });
});
