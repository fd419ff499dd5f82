import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addNoise, augmentPcm, clip, HEART_AUGMENTATION, maskFeatures, NO_AUGMENTATION, pinkNoise, randomEqualiser, resampleCubic, rootMeanSquare, whiteNoise } from '../../src/training/augment.js';
import { synthesiseArtifact } from '../../src/training/artifact-synth.js';
import { Random } from '../../src/training/random.js';

const rate = 2000;
const tone = (hz: number, length = 4000) => Float32Array.from({ length }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));
const decibels = (a: number, b: number) => 20 * Math.log10(a / b);

describe('augmentation', () => {
  it('repeats for a seed and differs for another', () => {
    const augmented = (seed: number) => {
      const pcm = tone(100);
      augmentPcm(pcm, rate, new Random(seed), { ...HEART_AUGMENTATION, noiseProbability: 1, clipProbability: 1 });
      return pcm;
    };
    expect(augmented(1)).toEqual(augmented(1));
    expect(augmented(1)).not.toEqual(augmented(2));
  });

  it('leaves everything as it is when all is off', () => {
    const pcm = tone(100);
    augmentPcm(pcm, rate, new Random(1), NO_AUGMENTATION);
    expect(pcm).toEqual(tone(100));
    const input = new Float32Array(64 * 10).fill(1);
    maskFeatures(input, 64, 10, new Random(1), NO_AUGMENTATION);
    expect(input.every((x) => x === 1)).toBe(true);
  });

  it('stretches a tone to the pitch that the ratio says, within 1 %', () => {
    for (const ratio of [0.88, 1.05, 1.12]) {
      const stretched = resampleCubic(tone(100, 6000), 0, 4000, ratio);
      expect(rootMeanSquare(stretched.map((x, i) => x - Math.sin((2 * Math.PI * 100 * ratio * i) / rate)))).toBeLessThan(0.01 * Math.SQRT1_2);
    }
  });

  it('reads at a fractional start and holds the last sample beyond the end', () => {
    const ramp = Float32Array.from({ length: 20 }, (_, i) => i);
    expect([...resampleCubic(ramp, 3.5, 3, 1.5)]).toEqual([3.5, 5, 6.5]);
    expect([...resampleCubic(ramp, 18, 4, 1.5)].slice(1)).toEqual([19, 19, 19].map((x) => expect.closeTo(x, 0) as number));
  });

  it('equalises within its range and stays finite (property)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 30, max: 800 }), (seed, hz) => {
        const pcm = tone(hz);
        randomEqualiser(pcm, rate, new Random(seed), 6);
        const gain = decibels(rootMeanSquare(pcm.subarray(1000)), Math.SQRT1_2);
        // Shelf ±6 dB and two peaks of ±3 dB each.
        expect(Math.abs(gain)).toBeLessThan(12.3);
      }),
      { numRuns: 50 },
    );
  });

  it('adds noise at the ratio asked for', () => {
    for (const snrDb of [10, 25]) {
      const pcm = tone(100, 40_000);
      addNoise(pcm, new Random(4), snrDb);
      const clean = tone(100, 40_000);
      expect(decibels(Math.SQRT1_2, rootMeanSquare(pcm.map((x, i) => x - clean[i]!)))).toBeCloseTo(snrDb, 1);
    }
    const silence = new Float32Array(100);
    addNoise(silence, new Random(1), 10);
    expect(silence.every((x) => x === 0)).toBe(true);
  });

  it('makes white noise flat and pink noise fall by 3 dB an octave', () => {
    const slope = (noise: Float32Array) => decibels(bandRms(noise, 500), bandRms(noise, 125)) / 2;
    expect(slope(whiteNoise(200_000, new Random(1)))).toBeCloseTo(0, 0);
    expect(Math.abs(slope(pinkNoise(200_000, new Random(1))) + 3)).toBeLessThan(1);
  });

  it('clips at the fraction of the peak', () => {
    const pcm = tone(50);
    clip(pcm, 0.4);
    expect(Math.max(...pcm)).toBeCloseTo(0.4, 3);
    expect(pcm[1]).toBe(tone(50)[1]);
  });

  it('masks whole bands and whole frames, no more than asked for', () => {
    const [bands, frames] = [64, 188];
    for (let seed = 0; seed < 40; seed++) {
      const input = new Float32Array(bands * frames).fill(1);
      maskFeatures(input, bands, frames, new Random(seed), { ...HEART_AUGMENTATION, maskProbability: 1 });
      const at = (band: number, frame: number) => input[band * frames + frame] ?? 1;
      const maskedBands = Array.from({ length: bands }, (_, b) => b).filter((b) => input.subarray(b * frames, (b + 1) * frames).every((x) => x === 0));
      const maskedFrames = Array.from({ length: frames }, (_, t) => t).filter((t) => Array.from({ length: bands }, (_, b) => at(b, t)).every((x) => x === 0));
      expect(maskedBands.length).toBeLessThanOrEqual(16);
      expect(maskedFrames.length).toBeLessThanOrEqual(32);
      const zeros = input.filter((x) => x === 0).length;
      expect(zeros).toBe(maskedBands.length * frames + maskedFrames.length * bands - maskedBands.length * maskedFrames.length);
    }
  });

  it('synthesises artifacts that are finite, audible and repeat for a seed', () => {
    for (let seed = 0; seed < 40; seed++) {
      const pcm = synthesiseArtifact(6000, rate, new Random(seed));
      expect(pcm).toHaveLength(6000);
      expect(pcm.every(Number.isFinite)).toBe(true);
      expect(rootMeanSquare(pcm)).toBeGreaterThan(1e-5);
      expect(synthesiseArtifact(6000, rate, new Random(seed))).toEqual(pcm);
    }
  });
});

/** RMS around a frequency: two complex one-pole resonators of 20 Hz width. */
function bandRms(noise: Float32Array, hz: number): number {
  let [re, im, sum] = [0, 0, 0];
  const keep = Math.exp((-2 * Math.PI * 20) / rate);
  const [c, s] = [Math.cos((2 * Math.PI * hz) / rate), Math.sin((2 * Math.PI * hz) / rate)];
  for (const x of noise) {
    [re, im] = [keep * (re * c - im * s) + x, keep * (re * s + im * c)];
    sum += re * re + im * im;
  }
  return Math.sqrt(sum / noise.length);
}
