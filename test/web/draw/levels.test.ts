import { describe, expect, it } from 'vitest';
import { Ring } from '../../../web/data/ring.js';
import { settleRange, suggestRange } from '../../../web/draw/levels.js';
import { pieces } from '../../../web/draw/spectrogram.js';
import { chooseScale, stretchesOf } from '../../../web/draw/waveform.js';

function ringOf(values: number[], width: number): Ring {
  const ring = new Ring(1000, width);
  ring.write(0, Float32Array.from(values));
  return ring;
}

describe('range of the colours', () => {
  it('spans noise floor to peaks in steps of 5 dB', () => {
    const values = Array.from({ length: 7000 }, (_, i) => -62 + 59 * (i / 7000));
    expect(suggestRange(ringOf(values, 7))).toEqual({ minDb: -60, maxDb: 0 });
  });

  it('is at least 40 dB wide, so that silence stays dark', () => {
    expect(suggestRange(ringOf(new Array<number>(700).fill(-70), 7))).toEqual({ minDb: -110, maxDb: -70 });
  });

  it('is undefined without data', () => {
    expect(suggestRange(new Ring(10, 4))).toBeUndefined();
    expect(suggestRange(ringOf([Number.NaN, Number.NaN], 2))).toBeUndefined();
  });

  it('holds still against small changes only', () => {
    const now = { minDb: -60, maxDb: 0 };
    expect(settleRange(now, { minDb: -55, maxDb: 5 })).toBe(now);
    expect(settleRange(now, { minDb: -50, maxDb: 0 })).toEqual({ minDb: -50, maxDb: 0 });
    expect(settleRange(undefined, now)).toBe(now);
  });
});

describe('pieces of a ring', () => {
  it('splits where the ring wraps', () => {
    expect(pieces(3, 3, 10)).toEqual([]);
    expect(pieces(3, 9, 10)).toEqual([[3, 9]]);
    expect(pieces(17, 23, 10)).toEqual([[17, 20], [20, 23]]);
    expect(pieces(20, 30, 10)).toEqual([[20, 30]]);
  });
});

describe('waveform', () => {
  it('grows its scale at once and shrinks it with a margin', () => {
    expect(chooseScale(0.03, undefined)).toBe(0.05);
    expect(chooseScale(0.3, 0.05)).toBe(0.5);
    expect(chooseScale(0.19, 0.5)).toBe(0.5);
    expect(chooseScale(0.03, 0.5)).toBe(0.05);
    expect(chooseScale(7, 1)).toBe(1);
  });

  it('is drawn in stretches between holes', () => {
    const ring = new Ring(100, 2);
    ring.write(10, Float32Array.from([-1, 1, -1, 1]));
    ring.write(15, Float32Array.from([-1, 1]));
    expect(stretchesOf(ring)).toEqual([[10, 12], [15, 16]]);
  });
});
