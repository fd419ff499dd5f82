import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resampleAll } from '../../src/condition/offline.js';
import { StreamingResampler } from '../../src/condition/resampler.js';
import { concat, largestDifference, levelDb, noise, pieces, tone } from './signals.js';

const downward: Array<[number, number]> = [[4000, 2000], [8000, 2000], [11025, 2000], [16000, 4000], [22254.545, 2000], [44100, 2000], [48000, 2000], [192000, 2000], [2001, 2000]];
const upward: Array<[number, number]> = [[1000, 2000], [2000, 4000], [1500, 2000]];
const seconds = 1.2;

describe.each([...downward, ...upward])('StreamingResampler %d → %d Hz', (from, to) => {
  const nyquist = Math.min(from, to) / 2;

  it('passes tones up to 0.86 of the lower Nyquist within 0.1 dB, each sample at its instant', () => {
    for (const fraction of [0.02, 0.3, 0.6, 0.8, 0.86]) {
      const hz = fraction * nyquist;
      const y = resampleAll(tone(hz, from, Math.round(seconds * from)), from, to);
      expect(Math.abs(levelDb(y)), `${hz} Hz`).toBeLessThan(0.1);
      const middle = (x: Float32Array) => x.subarray(Math.floor(x.length / 4), Math.floor((3 * x.length) / 4));
      expect(largestDifference(middle(y), middle(tone(hz, to, y.length))), `${hz} Hz`).toBeLessThan(2e-3);
    }
  });

  it('gives the same bits for any chunking, ceil(n · to / from) of them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3000 }), fc.array(fc.integer({ min: 0, max: 900 }), { maxLength: 8 }), (length, cuts) => {
        const y = noise(length, 5);
        const whole = resampleAll(y, from, to);
        expect(whole.length).toBe(Math.ceil((length * Math.round(to * 1000)) / Math.round(from * 1000)));
        const resampler = new StreamingResampler(from, to);
        const parts = pieces(y, cuts).map((piece) => resampler.push(piece).slice());
        parts.push(resampler.flush().slice());
        expect(largestDifference(concat(parts), whole)).toBe(0);
      }),
      { numRuns: 12 },
    );
  });

  it('waits for its look-ahead only: at most 14 ms at a lower rate of 2 kHz', () => {
    const resampler = new StreamingResampler(from, to);
    expect(resampler.lookAheadSamples / from).toBeLessThanOrEqual((0.0145 * 1000) / nyquist);
    const arrived = resampler.push(new Float32Array(from | 0)).length;
    expect(to - arrived).toBeLessThanOrEqual(Math.ceil((resampler.lookAheadSamples * to) / from) + 1);
  });
});

it.each(downward)('%d → %d Hz lets no alias above −60 dB through, from the new Nyquist up', (from, to) => {
  for (const hz of [1.0005, 1.02, 1.1, 1.4, 1.9, 2.05, 3.3, 7.7].map((x) => (x * to) / 2)) {
    if (hz >= from / 2) continue;
    expect(levelDb(resampleAll(tone(hz, from, Math.round(seconds * from)), from, to)), `${hz} Hz`).toBeLessThan(-60);
  }
});

it.each(upward)('%d → %d Hz makes no image above −60 dB', (from, to) => {
  const hz = 0.4 * from;
  const y = resampleAll(tone(hz, from, Math.round(seconds * from)), from, to);
  const image = from - hz;
  expect(goertzelDb(y, image < to / 2 ? image : to - image, to)).toBeLessThan(-60);
});

describe('StreamingResampler', () => {
  it('passes equal rates through untouched', () => {
    const y = noise(100, 1);
    const resampler = new StreamingResampler(2000, 2000);
    expect(resampler.lookAheadSamples).toBe(0);
    expect(resampler.push(y)).toEqual(y);
    expect(resampler.flush()).toHaveLength(0);
    expect(resampler.nextIndex).toBe(100);
  });

  it('passes a constant unchanged in every phase', () => {
    const y = resampleAll(new Float32Array(44100).fill(0.25), 44100, 2000);
    y.subarray(100, 1900).forEach((x) => expect(x).toBeCloseTo(0.25, 6));
  });

  it('keeps to the stream’s own grid after a reset anywhere, even after months', () => {
    const [from, to] = [44100, 2000];
    for (const start of [0, 1, 22, 441, 44100 * 86400 * 90 + 17]) {
      const resampler = new StreamingResampler(from, to);
      resampler.reset(start);
      const first = resampler.nextIndex;
      expect(first).toBe(Number((BigInt(start) * 20n + 440n) / 441n));
      // Phases are reckoned from the exact fraction, since a sine of such an argument would lose its digits.
      const offset = Number(BigInt(first) * 441n - BigInt(start) * 20n) / 20 / from;
      const y = resampler.push(tone(100, from, from)).slice();
      const expected = Float32Array.from(y, (_, n) => Math.sin(2 * Math.PI * 100 * (offset + n / to)));
      expect(largestDifference(y.subarray(100), expected.subarray(100))).toBeLessThan(1e-3);
      expect(resampler.nextIndex).toBe(first + y.length);
    }
  });

  it.each([0, -1, NaN, Infinity, 2e7])('refuses a rate of %d Hz, naming value and limits', (hz) => {
    expect(() => new StreamingResampler(hz, 2000)).toThrow(`the source rate is ${hz} Hz; allowed: 1 … 10000000 Hz`);
    expect(() => new StreamingResampler(2000, hz)).toThrow(/CONDITION_RATE_INVALID|the model rate is/);
  });
});

/** Level of one frequency in the middle half of y, dB against a full-scale sine (Hann-weighted). */
function goertzelDb(y: Float32Array, hz: number, rateHz: number): number {
  let [re, im, weight] = [0, 0, 0];
  const [from, to] = [Math.floor(y.length / 4), Math.floor((3 * y.length) / 4)];
  for (let i = from; i < to; i++) {
    const w = Math.sin((Math.PI * (i - from)) / (to - from)) ** 2;
    re += w * y[i]! * Math.cos((2 * Math.PI * hz * i) / rateHz);
    im += w * y[i]! * Math.sin((2 * Math.PI * hz * i) / rateHz);
    weight += w;
  }
  return 20 * Math.log10((2 * Math.hypot(re, im)) / weight + 1e-15);
}
