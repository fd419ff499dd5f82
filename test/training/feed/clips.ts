/** Clips and settings for the tests of the feed: every source of chance in the sampler is on. */
import { createHash } from 'node:crypto';
import { heartFeatures, windowSpanSamples } from '../../../src/features/index.js';
import { HEART_AUGMENTATION } from '../../../src/training/augment.js';
import type { BatchFeedOptions } from '../../../src/training/feed/batch-feed.js';
import { MURMUR, NORMAL } from '../../../src/training/label-map.js';
import { Random } from '../../../src/training/random.js';
import { spreadLengths } from '../../../src/training/recipe.js';
import { createSampler, type Clip, type SamplerSettings, type WindowSampler } from '../../../src/training/sampler.js';

const { sampleRateHz } = heartFeatures.mel;

/** Different sound in each, of different length, some with heart states. */
export const clips: Clip[] = Array.from({ length: 12 }, (_, i) => {
  const random = new Random(i);
  const pcm = Float32Array.from({ length: Math.round((1 + 0.7 * i) * sampleRateHz) }, () => 0.1 * random.normal());
  const clip = { pcm, dataset: i % 3 ? 'many' : 'few', site: `${i % 2}`, set: i % 2 ? NORMAL : MURMUR, group: `${i}`, name: `clip-${i}` };
  return i % 4 ? clip : { ...clip, states: [{ state: 0, startS: 0.2, endS: 0.4 }, { state: 2, startS: 0.6, endS: 0.9 }] };
});

export const settings: SamplerSettings = {
  seed: 11,
  batchSize: 4,
  augmentation: HEART_AUGMENTATION,
  datasetShares: { many: 0.8, few: 0.2 },
  siteExponent: 0.5,
  labelExponent: 0.5,
  syntheticArtifactShare: 0.2,
  segmentLengths: spreadLengths(windowSpanSamples(heartFeatures), sampleRateHz),
  frameClasses: 'states',
};

/** What a feed must give, made on this thread. */
export const sampler = (): WindowSampler => createSampler(clips, heartFeatures, settings);

export const feedOptions = (changes: Partial<BatchFeedOptions> = {}): BatchFeedOptions => ({ clips, params: heartFeatures, options: settings, ...changes });

/** The same with every typed array as a hash of its bytes: equal only when equal to the bit, and quick to compare. */
export function bits<T extends object>(value: T): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, ArrayBuffer.isView(part) ? hash(part) : (part as unknown)]));
}

function hash(view: ArrayBufferView): string {
  return createHash('sha256').update(new Uint8Array(view.buffer, view.byteOffset, view.byteLength)).digest('hex');
}
