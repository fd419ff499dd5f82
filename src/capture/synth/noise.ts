/** Noise generators of unit RMS that keep their state from sample to sample. */
import type { Prng } from './prng.js';

/** Gives one sample per call. */
export type NoiseGenerator = () => number;

/** Uniform white noise, RMS 1 (peak √3). */
export function whiteNoise(prng: Prng): NoiseGenerator {
  const peak = Math.sqrt(3);
  return () => prng.between(-peak, peak);
}

/** Noise falling by about 3 dB per octave from 5 Hz up: white noise through one-pole low-passes two octaves apart. */
export function pinkNoise(prng: Prng, sampleRateHz: number): NoiseGenerator {
  const corners = [5, 20, 80, 320, 1280].filter((hz) => hz < sampleRateHz / 3);
  const coefficients = corners.map((hz) => 1 - Math.exp((-2 * Math.PI * hz) / sampleRateHz));
  const gains = corners.map((hz) => 1 / Math.sqrt(hz));
  const make = (): ((x: number) => number) => {
    const state = corners.map(() => 0);
    return (x) => {
      let sum = 0;
      for (let k = 0; k < state.length; k++) {
        state[k]! += coefficients[k]! * (x - state[k]!);
        sum += gains[k]! * state[k]!;
      }
      return sum;
    };
  };
  return filtered(prng, make, sampleRateHz);
}

/** White noise through a second-order band-pass at `centreHz` with quality `q`, and a gentle low-pass above it. */
export function bandNoise(prng: Prng, sampleRateHz: number, centreHz: number, q: number): NoiseGenerator {
  return filtered(prng, () => bandPass(sampleRateHz, centreHz, q), sampleRateHz);
}

/** Band-pass biquad (R. Bristow-Johnson's Audio EQ Cookbook, constant 0 dB peak) followed by a one-pole low-pass at 2·centre. */
function bandPass(sampleRateHz: number, centreHz: number, q: number): (x: number) => number {
  const w = (2 * Math.PI * Math.min(centreHz, 0.45 * sampleRateHz)) / sampleRateHz;
  const alpha = Math.sin(w) / (2 * q);
  const b0 = alpha / (1 + alpha);
  const a1 = (-2 * Math.cos(w)) / (1 + alpha);
  const a2 = (1 - alpha) / (1 + alpha);
  const smoothing = 1 - Math.exp(-2 * w);
  let x1 = 0, x2 = 0, y1 = 0, y2 = 0, low = 0;
  return (x) => {
    const y = b0 * (x - x2) - a1 * y1 - a2 * y2;
    x2 = x1;
    x1 = x;
    y2 = y1;
    y1 = y;
    low += smoothing * (y - low);
    return low;
  };
}

/** White noise through a filter, scaled to RMS 1 by the energy of the filter's impulse response. */
function filtered(prng: Prng, make: () => (x: number) => number, sampleRateHz: number): NoiseGenerator {
  const probe = make();
  let energy = 0;
  for (let i = 0; i < sampleRateHz / 2; i++) energy += probe(i === 0 ? 1 : 0) ** 2;
  const scale = 1 / Math.sqrt(energy);
  const filter = make();
  const white = whiteNoise(prng);
  return () => scale * filter(white());
}
