import { describe, expect, it } from 'vitest';
import { WindowFeatures, heartFeatures, windowSpanSamples } from '../../src/features/index.js';
import { HEART_AUGMENTATION, NO_AUGMENTATION } from '../../src/training/augment.js';
import { ARTIFACT, MURMUR, NORMAL } from '../../src/training/label-map.js';
import { auroc } from '../../src/training/metrics.js';
import { Random } from '../../src/training/random.js';
import { clipLengths } from '../../src/training/recipe.js';
import { WindowSampler, type Clip, type SamplerOptions } from '../../src/training/sampler.js';

const spanSamples = windowSpanSamples(heartFeatures);
const { sampleRateHz, nMels } = heartFeatures.mel;

/** Noise of a given length, the same kind for every label: only the length could tell them apart. */
function clip(seconds: number, set: number, seed: number, dataset = 'set'): Clip {
  const random = new Random(seed, set);
  const pcm = Float32Array.from({ length: Math.round(seconds * sampleRateHz) }, () => 0.1 * random.normal());
  return { pcm, dataset, site: '', set, group: `${seed}`, name: `${dataset}-${set}-${seed}` };
}

/** Normal clips short, murmurs long: as in PASCAL B, only worse. */
const clips = [
  ...Array.from({ length: 30 }, (_, i) => clip(1 + 0.1 * i, NORMAL, i)),
  ...Array.from({ length: 20 }, (_, i) => clip(2.5 + 0.3 * i, MURMUR, 100 + i)),
];

function options(overrides: Partial<SamplerOptions> = {}): SamplerOptions {
  const features = new WindowFeatures(heartFeatures);
  const tiled = new Float32Array(spanSamples);
  return {
    seed: 1,
    batchSize: 8,
    sampleRateHz,
    nMels,
    windowFrames: heartFeatures.windowFrames,
    spanSamples,
    featurise: (pcm) => {
      for (let i = 0; i < spanSamples; i++) tiled[i] = pcm[i % pcm.length] ?? 0;
      return features.windowInput(tiled);
    },
    augmentation: HEART_AUGMENTATION,
    datasetShares: {},
    siteExponent: 0.5,
    labelExponent: 0.5,
    syntheticArtifactShare: 0,
    segmentLengths: clipLengths(clips.map((c) => c.pcm.length), spanSamples),
    ...overrides,
  };
}

describe('window sampler', () => {
  it('gives the same batch for the same seed and step, whatever was drawn before', () => {
    const a = new WindowSampler(clips, options());
    const b = new WindowSampler(clips, options());
    a.batch(0);
    const [first, second] = [a.batch(7), b.batch(7)];
    expect(second.x).toEqual(first.x);
    expect(second).toEqual(first);
    expect(a.batch(8).x).not.toEqual(first.x);
    expect(new WindowSampler(clips, options({ seed: 2 })).batch(7).x).not.toEqual(first.x);
  });

  it('gives finite inputs of the right shape, and λ that favours the first window', () => {
    const batch = new WindowSampler(clips, options({ syntheticArtifactShare: 0.3 })).batch(0);
    expect(batch.x).toHaveLength(8 * nMels * heartFeatures.windowFrames);
    expect(batch.x.every(Number.isFinite)).toBe(true);
    expect(batch.setsA).toHaveLength(8);
    expect(batch.lambda.every((lambda) => lambda >= 0.5 && lambda <= 1)).toBe(true);
    expect([...batch.setsA].every((set) => [NORMAL, MURMUR, ARTIFACT].includes(set))).toBe(true);
  });

  it('mixes inputs as λ says', () => {
    const plain = options({ augmentation: { ...NO_AUGMENTATION, mixupAlpha: 0 } });
    const mixed = new WindowSampler(clips, plain).batch(3);
    expect([...mixed.lambda]).toEqual(new Array(8).fill(1));
  });

  it('draws data sets, sites and labels in the shares asked for', () => {
    const several = [...clips, ...Array.from({ length: 10 }, (_, i) => clip(4, NORMAL, 200 + i, 'other'))];
    const sampler = new WindowSampler(several, options({ datasetShares: { set: 0.75, other: 0.25 } }));
    const share = (name: string) => sampler.shares.filter((cell) => cell.name.startsWith(name)).reduce((sum, cell) => sum + cell.share, 0);
    expect(share('other')).toBeCloseTo(0.25, 10);
    expect(share('set||murmur') / share('set')).toBeCloseTo(Math.sqrt(20) / (Math.sqrt(20) + Math.sqrt(30)), 10);
    const random = new Random(5);
    const murmurs = Array.from({ length: 3000 }, () => sampler.drawSegment(random)).filter((segment) => segment.set === MURMUR).length;
    expect(murmurs / 3000).toBeCloseTo(share('set||murmur'), 1);
  });

  it('gives data sets without a share of their own the mean of those named, the larger the more', () => {
    const set = (name: string, count: number) => Array.from({ length: count }, (_, i) => clip(0.1, i % 2 ? NORMAL : MURMUR, i, name));
    const sampler = new WindowSampler([...set('a', 8), ...set('b', 400), ...set('c', 90), ...set('d', 10)], options({ datasetShares: { a: 0.7, b: 0.3, absent: 9 } }));
    const share = (name: string) => sampler.shares.filter((cell) => cell.name.startsWith(`${name}|`)).reduce((sum, cell) => sum + cell.share, 0);
    // Named 0.7 + 0.3, two others of 0.5 on average as 3 : 1.
    expect([share('a'), share('b'), share('c'), share('d')].map((x) => x.toFixed(6))).toEqual([0.35, 0.15, 0.375, 0.125].map((x) => x.toFixed(6)));
    const bare = new WindowSampler([...set('a', 9), ...set('b', 81)], options({ datasetShares: {} }));
    expect(bare.shares.filter((cell) => cell.name.startsWith('b|')).reduce((sum, cell) => sum + cell.share, 0)).toBeCloseTo(0.75, 10);
  });

  it('refuses a set without labelled clips', () => {
    expect(() => new WindowSampler([clip(3, 0, 1)], options())).toThrow(expect.objectContaining({ code: 'TRAINING_EMPTY' }));
  });
});

describe('length does not leak', () => {
  const sampler = new WindowSampler(clips, options());
  const random = new Random(9);
  const segments = Array.from({ length: 4000 }, () => sampler.drawSegment(random));
  const isMurmur = segments.map((segment) => segment.set === MURMUR);

  it('the clips themselves give the label away', () => {
    expect(auroc(clips.map((c) => c.set === MURMUR), clips.map((c) => c.pcm.length))).toBeGreaterThan(0.9);
  });

  it('the drawn segments do not', () => {
    const value = auroc(isMurmur, segments.map((segment) => segment.pcm.length));
    expect(Math.abs(value - 0.5)).toBeLessThan(0.05);
  });

  it('nor do the finished inputs: the strength of their repetition (seams and all) is at chance', () => {
    const random2 = new Random(11);
    const drawn = Array.from({ length: 600 }, () => sampler.draw(random2));
    const value = auroc(drawn.map((d) => d.set === MURMUR), drawn.map((d) => repetition(d.input)));
    expect(Math.abs(value - 0.5)).toBeLessThan(0.075);
    const plainTiling = [...clips.slice(0, 10), ...clips.slice(-10)].map((c) => ({ set: c.set, input: options().featurise(c.pcm.slice(0, spanSamples)) }));
    expect(Math.abs(auroc(plainTiling.map((d) => d.set === MURMUR), plainTiling.map((d) => repetition(d.input))) - 0.5)).toBeGreaterThan(0.4);
  });
});

/** Largest correlation of the window with itself shifted by 40 … 150 frames: near 1 where it was tiled. */
function repetition(input: Float32Array): number {
  const frames = heartFeatures.windowFrames;
  let best = -1;
  for (let lag = 40; lag <= 150; lag++) {
    let [cross, a, b] = [0, 0, 0];
    for (let band = 0; band < nMels; band += 4) {
      for (let t = 0; t + lag < frames; t++) {
        const [x, y] = [input[band * frames + t] ?? 0, input[band * frames + t + lag] ?? 0];
        cross += x * y;
        a += x * x;
        b += y * y;
      }
    }
    best = Math.max(best, cross / (Math.sqrt(a * b) + 1e-9));
  }
  return best;
}
