/**
 * Augmentation of sound: random changes that leave a heart sound's label as it is.
 *
 * All work on mono PCM at the model's rate before the features, or on the finished features (masks). Every draw comes
 * from the given Random, so that a seed repeats it.
 */
import type { Random } from './random.js';

/** Strengths and probabilities; 0 turns a change off. */
export interface Augmentation {
  /** Largest relative change of tempo (and pitch, as a resampling does), e.g. .12. */
  stretch: number;
  /** Largest gain of the random equaliser in dB, either way. */
  eqDb: number;
  /** Probability of added noise, and its range of signal-to-noise ratios in dB. */
  noiseProbability: number;
  noiseSnrDb: readonly [number, number];
  /** Probability of hard clipping of the loudest samples. */
  clipProbability: number;
  /** Probability, count and widest extent of masks over mel bands and frames (SpecAugment). */
  maskProbability: number;
  masks: number;
  maskBands: number;
  maskFrames: number;
  /** Beta(α, α) of mixup; 0 = no mixup. */
  mixupAlpha: number;
}

export const HEART_AUGMENTATION: Augmentation = {
  stretch: 0.12,
  eqDb: 6,
  noiseProbability: 0.4,
  noiseSnrDb: [10, 40],
  clipProbability: 0.1,
  maskProbability: 0.5,
  masks: 2,
  maskBands: 8,
  maskFrames: 16,
  mixupAlpha: 0.2,
};

/** No change at all: what a test or an evaluation uses. */
export const NO_AUGMENTATION: Augmentation = {
  stretch: 0,
  eqDb: 0,
  noiseProbability: 0,
  noiseSnrDb: [40, 40],
  clipProbability: 0,
  maskProbability: 0,
  masks: 0,
  maskBands: 0,
  maskFrames: 0,
  mixupAlpha: 0,
};

/** Equaliser, noise and clipping, in place, on a segment at `sampleRateHz`. */
export function augmentPcm(pcm: Float32Array, sampleRateHz: number, random: Random, settings: Augmentation): void {
  if (settings.eqDb > 0) randomEqualiser(pcm, sampleRateHz, random, settings.eqDb);
  if (random.chance(settings.noiseProbability)) addNoise(pcm, random, random.uniform(...settings.noiseSnrDb));
  if (random.chance(settings.clipProbability)) clip(pcm, random.uniform(0.3, 0.9));
}

/**
 * Reads `length` samples of `source` from `start` at `ratio` source samples per output sample, by 4-point cubic
 * (Catmull–Rom) interpolation; beyond the ends the last sample is held.
 */
export function resampleCubic(source: Float32Array, start: number, length: number, ratio: number): Float32Array {
  const output = new Float32Array(length);
  if (ratio === 1) {
    output.set(source.subarray(start, start + length));
    return output;
  }
  const last = source.length - 1;
  const at = (index: number) => source[index < 0 ? 0 : index > last ? last : index] ?? 0;
  for (let i = 0; i < length; i++) {
    const position = start + i * ratio;
    const base = Math.floor(position);
    const t = position - base;
    const a = at(base - 1);
    const b = at(base);
    const c = at(base + 1);
    const d = at(base + 2);
    output[i] = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
  }
  return output;
}

/** Two random peaking filters and a low shelf: a smooth curve within about ±`rangeDb`. */
export function randomEqualiser(pcm: Float32Array, sampleRateHz: number, random: Random, rangeDb: number): void {
  const top = 0.45 * sampleRateHz;
  const pick = (low: number) => low * Math.pow(top / low, random.next());
  shelf(pcm, sampleRateHz, pick(40), random.uniform(-rangeDb, rangeDb));
  peak(pcm, sampleRateHz, pick(30), random.uniform(0.5, 1.5), random.uniform(-rangeDb, rangeDb) / 2);
  peak(pcm, sampleRateHz, pick(30), random.uniform(0.5, 1.5), random.uniform(-rangeDb, rangeDb) / 2);
}

/** Peaking filter of the Audio EQ Cookbook (R. Bristow-Johnson). */
function peak(pcm: Float32Array, rate: number, centreHz: number, q: number, gainDb: number): void {
  const a = Math.pow(10, gainDb / 40);
  const omega = (2 * Math.PI * centreHz) / rate;
  const alpha = Math.sin(omega) / (2 * q);
  const cos = Math.cos(omega);
  biquad(pcm, [1 + alpha * a, -2 * cos, 1 - alpha * a], [1 + alpha / a, -2 * cos, 1 - alpha / a]);
}

/** Low shelf of the Audio EQ Cookbook, slope 1. */
function shelf(pcm: Float32Array, rate: number, cornerHz: number, gainDb: number): void {
  const a = Math.pow(10, gainDb / 40);
  const omega = (2 * Math.PI * cornerHz) / rate;
  const cos = Math.cos(omega);
  const beta = 2 * Math.sqrt(a) * (Math.sin(omega) / 2) * Math.SQRT2;
  biquad(
    pcm,
    [a * (a + 1 - (a - 1) * cos + beta), 2 * a * (a - 1 - (a + 1) * cos), a * (a + 1 - (a - 1) * cos - beta)],
    [a + 1 + (a - 1) * cos + beta, -2 * (a - 1 + (a + 1) * cos), a + 1 + (a - 1) * cos - beta],
  );
}

function biquad(pcm: Float32Array, b: readonly [number, number, number], a: readonly [number, number, number]): void {
  const [b0, b1, b2, a1, a2] = [b[0] / a[0], b[1] / a[0], b[2] / a[0], a[1] / a[0], a[2] / a[0]];
  let z1 = 0;
  let z2 = 0;
  for (let i = 0; i < pcm.length; i++) {
    const x = pcm[i] ?? 0;
    const y = b0 * x + z1;
    z1 = b1 * x - a1 * y + z2;
    z2 = b2 * x - a2 * y;
    pcm[i] = y;
  }
}

/** Adds white or pink noise at a signal-to-noise ratio in dB over the segment; silence stays silent. */
export function addNoise(pcm: Float32Array, random: Random, snrDb: number): void {
  const noise = random.chance(0.5) ? whiteNoise(pcm.length, random) : pinkNoise(pcm.length, random);
  const gain = (rootMeanSquare(pcm) / (rootMeanSquare(noise) + 1e-12)) * Math.pow(10, -snrDb / 20);
  for (let i = 0; i < pcm.length; i++) pcm[i] = (pcm[i] ?? 0) + gain * (noise[i] ?? 0);
}

export function whiteNoise(length: number, random: Random): Float32Array {
  const noise = new Float32Array(length);
  for (let i = 0; i < length; i++) noise[i] = random.normal();
  return noise;
}

/** Pink noise by three leaky integrators over white noise (−3 dB per octave within 1 dB from 1/200 of the rate up). */
export function pinkNoise(length: number, random: Random): Float32Array {
  const noise = new Float32Array(length);
  let [x, y, z] = [0, 0, 0];
  for (let i = 0; i < length; i++) {
    const white = random.normal();
    x = 0.99765 * x + white * 0.099046;
    y = 0.963 * y + white * 0.2965164;
    z = 0.57 * z + white * 1.0526913;
    noise[i] = x + y + z + white * 0.1848;
  }
  return noise;
}

/** Clips at a fraction of the peak, as an overdriven input does. */
export function clip(pcm: Float32Array, fractionOfPeak: number): void {
  let limit = 0;
  for (const x of pcm) limit = Math.max(limit, Math.abs(x));
  limit *= fractionOfPeak;
  for (let i = 0; i < pcm.length; i++) pcm[i] = Math.max(-limit, Math.min(limit, pcm[i] ?? 0));
}

export function rootMeanSquare(pcm: Float32Array): number {
  let sum = 0;
  for (const x of pcm) sum += x * x;
  return Math.sqrt(sum / Math.max(1, pcm.length));
}

/** SpecAugment: bands and frames set to 0, the mean of normalised features, in place. `input` is bands × frames. */
export function maskFeatures(input: Float32Array, bands: number, frames: number, random: Random, settings: Augmentation): void {
  if (!random.chance(settings.maskProbability)) return;
  for (let count = 0; count < settings.masks; count++) {
    const height = random.integer(settings.maskBands + 1);
    const band = random.integer(bands - height + 1);
    input.fill(0, band * frames, (band + height) * frames);
    const width = random.integer(settings.maskFrames + 1);
    const frame = random.integer(frames - width + 1);
    for (let row = 0; row < bands; row++) input.fill(0, row * frames + frame, row * frames + frame + width);
  }
}
