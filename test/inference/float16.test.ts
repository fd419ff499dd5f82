import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBfloat16, fromFloat16, packFloat16, toFloat16 } from '../../src/inference/float16.js';

const allHalves = Array.from({ length: 0x10000 }, (_, half) => half);
const finiteHalves = allHalves.filter((half) => (half & 0x7c00) !== 0x7c00);
/** All non-negative finite halves in order of value: their bit patterns count upward. */
const ladder = finiteHalves.filter((half) => half < 0x8000).map(fromFloat16);

describe('float16', () => {
  it('gives back every one of the 65,536 patterns, NaNs as the one quiet NaN', () => {
    for (const half of allHalves) {
      const value = fromFloat16(half);
      expect(toFloat16(value)).toBe(Number.isNaN(value) ? 0x7e00 : half);
    }
  });

  it.each([
    [1, 0x3c00],
    [-2, 0xc000],
    [0.333251953125, 0x3555],
    [65504, 0x7bff],
    [65519.99609375, 0x7bff],
    [65520, 0x7c00],
    [-1e30, 0xfc00],
    [Infinity, 0x7c00],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [2 ** -25 * (1 + 2 ** -20), 0x0001],
    [3 * 2 ** -25, 0x0002],
    [-(2 ** -30), 0x8000],
    [-0, 0x8000],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [1 + 2 ** -11 + 2 ** -20, 0x3c01],
    [2 - 2 ** -12, 0x4000],
    [2 ** -14 - 2 ** -26, 0x0400],
  ])('turns %d into the published pattern', (value, half) => {
    expect(toFloat16(value).toString(16)).toBe(half.toString(16));
  });

  it('rounds any float32 to a nearest half, ties to even', () => {
    fc.assert(
      fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (value) => {
        const half = toFloat16(value);
        const index = half & 0x7fff;
        const magnitude = Math.abs(value);
        const error = Math.abs(ladder[index]! - magnitude);
        for (const neighbour of [index - 1, index + 1]) {
          const other = ladder[neighbour];
          if (other === undefined) continue;
          const otherError = Math.abs(other - magnitude);
          expect(error <= otherError).toBe(true);
          if (error === otherError) expect(index & 1).toBe(0);
        }
        expect(half & 0x8000).toBe(Object.is(Math.sign(value), -1) || Object.is(value, -0) ? 0x8000 : 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('packs little-endian', () => {
    expect([...packFloat16(Float32Array.of(1, -2))]).toEqual([0x00, 0x3c, 0x00, 0xc0]);
  });

  it('reads bfloat16', () => {
    expect(fromBfloat16(0x3f80)).toBe(1);
    expect(fromBfloat16(0xc049)).toBe(-3.140625);
    expect(fromBfloat16(0x7fc0)).toBeNaN();
  });
});
