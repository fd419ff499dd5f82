/**
 * Clip length must not leak. Here the label decides a clip's length and nothing else: all clips are cut from the same
 * kind of sound. A logistic regression that is trained on drawn segments, or on the windows made of them, must then be
 * at chance on others; on segments as long as their clips it is not, so the test could fail.
 */
import { describe, expect, it } from 'vitest';
import { heartFeatures, windowSpanSamples } from '../../src/features/index.js';
import { HEART_AUGMENTATION, NO_AUGMENTATION, type Augmentation } from '../../src/training/augment.js';
import { MURMUR, NORMAL, type LabelSet } from '../../src/training/label-map.js';
import { fitLogistic } from '../../src/training/logistic.js';
import { auroc } from '../../src/training/metrics.js';
import { Random } from '../../src/training/random.js';
import { clipLengths } from '../../src/training/recipe.js';
import { WindowSampler, type Clip } from '../../src/training/sampler.js';
import { windowFeaturiser } from '../../src/training/window-featuriser.js';

const spanSamples = windowSpanSamples(heartFeatures);
const { windowFrames, mel } = heartFeatures;
const { sampleRateHz, nMels } = mel;
const featurise = windowFeaturiser(heartFeatures);

/**
 * Low-passed noise with louder beats at irregular intervals: every stretch of every clip has the same statistics, so that
 * a classifier has nothing but length to learn, not even which clip a window is from.
 */
function sound(samples: number, random: Random): Float32Array {
  const pcm = new Float32Array(samples);
  let [low, next, loudness] = [0, Math.floor(random.uniform(0, 0.8) * sampleRateHz), 0];
  for (let i = 0; i < samples; i++) {
    if (i === next) {
      loudness = 1;
      next += Math.floor(random.uniform(0.4, 1.1) * sampleRateHz);
    }
    loudness *= 0.99;
    low = 0.8 * low + 0.2 * random.normal();
    pcm[i] = (0.02 + 0.3 * loudness) * low;
  }
  return pcm;
}

/** Normal clips 1 … 3.2 s, murmurs 2.5 … 8.5 s. */
function clipsOf(seed: number, perLabel: number): Clip[] {
  const random = new Random(seed);
  const clip = (set: LabelSet, seconds: number, i: number): Clip => ({ pcm: sound(Math.round(seconds * sampleRateHz), random), dataset: 'set', site: '', set, group: `${set}-${i}`, name: `${set}-${i}` });
  return Array.from({ length: perLabel }, (_, i) => [clip(NORMAL, 1 + (2.2 * i) / perLabel, i), clip(MURMUR, 2.5 + (6 * i) / perLabel, i)]).flat();
}

function samplerOf(clips: readonly Clip[], augmentation: Augmentation): WindowSampler {
  return new WindowSampler(clips, {
    seed: 1,
    batchSize: 8,
    sampleRateHz,
    nMels,
    windowFrames,
    spanSamples,
    featurise,
    augmentation,
    datasetShares: {},
    siteExponent: 0.5,
    labelExponent: 0.5,
    syntheticArtifactShare: 0,
    segmentLengths: clipLengths(clips.map((c) => c.pcm.length), spanSamples),
  });
}

interface Example {
  row: number[];
  murmur: boolean;
}

/** AUROC on `judged` of a regression fitted to `trained`. */
function leak(trained: readonly Example[], judged: readonly Example[]): number {
  const model = fitLogistic(trained.map((e) => e.row), trained.map((e) => (e.murmur ? 1 : 0)), 2, { l2: 0.05, iterations: 150, balanced: true });
  return auroc(judged.map((e) => e.murmur), judged.map((e) => model.predict(e.row)[1]!));
}

const lengthRow = (samples: number) => [samples, Math.log(samples), samples >= spanSamples ? 1 : 0];

/**
 * What would show tiling and resampling: correlation of the frames with later ones, spread over time and step from frame
 * to frame of every eighth band, the largest correlation (near 1 where tiled) and the largest step (a seam).
 */
function windowRow(input: Float32Array): number[] {
  const bands = Array.from({ length: nMels / 8 }, (_, i) => input.subarray(i * 8 * windowFrames, (i * 8 + 1) * windowFrames));
  const correlations = Array.from({ length: 121 }, (_, i) => correlation(bands, 30 + i));
  const steps = Array.from({ length: windowFrames - 1 }, (_, t) => bands.reduce((sum, band) => sum + Math.abs(band[t + 1]! - band[t]!), 0));
  const spread = (values: ArrayLike<number>) => Math.sqrt(Array.from(values).reduce((sum, x) => sum + x * x, 0) / values.length);
  return [...correlations.filter((_, i) => i % 6 === 0), Math.max(...correlations), ...bands.map(spread), ...bands.map((band) => spread(band.subarray(1).map((x, t) => x - band[t]!))), Math.max(...steps)];
}

function correlation(bands: readonly Float32Array[], lag: number): number {
  let [cross, a, b] = [0, 0, 0];
  for (const band of bands) {
    for (let t = 0; t + lag < band.length; t++) {
      const [x, y] = [band[t]!, band[t + lag]!];
      cross += x * y;
      a += x * x;
      b += y * y;
    }
  }
  return cross / (Math.sqrt(a * b) + 1e-9);
}

const training = clipsOf(1, 200);
const others = clipsOf(2, 200);

function segments(clips: readonly Clip[], seed: number, count: number): Example[] {
  const sampler = samplerOf(clips, HEART_AUGMENTATION);
  const random = new Random(seed);
  return Array.from({ length: count }, () => sampler.drawSegment(random)).map(({ pcm, set }) => ({ row: lengthRow(pcm.length), murmur: set === MURMUR }));
}

function windows(clips: readonly Clip[], seed: number, count: number, augmentation: Augmentation): Example[] {
  const sampler = samplerOf(clips, augmentation);
  const random = new Random(seed);
  return Array.from({ length: count }, () => sampler.draw(random)).map(({ input, set }) => ({ row: windowRow(input), murmur: set === MURMUR }));
}

describe('clip length does not leak', () => {
  it('into the lengths of drawn segments: a regression on them is at chance; on the clips’ own it is not', () => {
    const own = (clips: readonly Clip[]) => clips.map((c) => ({ row: lengthRow(c.pcm.length), murmur: c.set === MURMUR }));
    expect(leak(own(training), own(others))).toBeGreaterThan(0.9);
    expect(Math.abs(leak(segments(training, 3, 3000), segments(others, 4, 3000)) - 0.5)).toBeLessThan(0.05);
  });

  it.each([
    ['as they are trained on', HEART_AUGMENTATION],
    ['tiled, not augmented', NO_AUGMENTATION],
  ])('into the windows, %s: a regression that sees repetition is at chance', (_, augmentation) => {
    const value = leak(windows(training, 5, 1500, augmentation), windows(others, 6, 1500, augmentation));
    expect(Math.abs(value - 0.5)).toBeLessThan(0.05);
  });

  it('which it is not on windows of segments as long as their clips', () => {
    const own = (clips: readonly Clip[], seed: number) => {
      const random = new Random(seed);
      return Array.from({ length: 800 }, () => clips[random.integer(clips.length)]!).map(({ pcm, set }) => {
        const length = Math.min(spanSamples, pcm.length);
        const start = random.integer(pcm.length - length + 1);
        return { row: windowRow(featurise(pcm.slice(start, start + length))), murmur: set === MURMUR };
      });
    };
    expect(leak(own(training, 7), own(others, 8))).toBeGreaterThan(0.75);
  });
});
