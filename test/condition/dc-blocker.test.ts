import { describe, expect, it } from 'vitest';
import { DcBlocker } from '../../src/condition/dc-blocker.js';
import { levelDb, tone } from './signals.js';

const filtered = (y: Float32Array, cornerHz = 10, rateHz = 4000): Float32Array => {
  const copy = y.slice();
  new DcBlocker(cornerHz, rateHz).process(copy);
  return copy;
};

describe('DcBlocker', () => {
  it('turns a constant into silence from the first sample on', () => {
    expect(filtered(new Float32Array(1000).fill(0.7)).every((x) => x === 0)).toBe(true);
  });

  it('is 3 dB down at its corner, 6 dB per octave below, flat above', () => {
    const gain = (hz: number) => levelDb(filtered(tone(hz, 4000, 16000)));
    expect(gain(10)).toBeCloseTo(-3.01, 1);
    expect(gain(2.5)).toBeCloseTo(-12.3, 0);
    expect(gain(200)).toBeCloseTo(0, 1);
  });

  it('does nothing when off', () => {
    expect(filtered(new Float32Array(10).fill(0.7), 0)).toEqual(new Float32Array(10).fill(0.7));
  });

  it('after a reset takes the next sample for the new constant', () => {
    const blocker = new DcBlocker(10, 4000);
    blocker.process(new Float32Array(100).fill(0.5));
    blocker.reset();
    const y = new Float32Array(100).fill(-0.5);
    blocker.process(y);
    expect(y.every((x) => x === 0)).toBe(true);
  });
});
