/** A model package with random weights and the real feature parameters: what a station needs, in 40 kB instead of 43 MB. */
import { DISCLAIMER } from '../../src/common/disclaimer.js';
import { heartFeatures } from '../../src/features/presets.js';
import type { ModelPackage } from '../../src/inference/model-package.js';
import { writeModelPackage, type ModelPackageContents } from '../../src/inference/model-writer.js';
import { randomStateDict } from '../../src/inference/random-state.js';
import { resnet34 } from '../../src/inference/resnet34.js';

export const HEART_LABELS = ['normal', 'murmur', 'extrasystole', 'artifact'];

/**
 * Writes the package. The weights are random, so its labels mean nothing; but what it says depends strongly on its
 * input (a low temperature sees to that), and it is always sure enough not to say `unknown` by itself.
 */
export function writeHeartPackage(folder: string, over: Partial<ModelPackageContents> = {}): Promise<ModelPackage> {
  const { mel, windowFrames } = heartFeatures;
  return writeModelPackage(folder, {
    manifest: {
      schema: 'stethostream-model/1',
      name: 'test-heart',
      version: '0.0.1',
      description: 'Random weights, for tests.',
      architecture: 'resnet-small-1ch',
      labels: HEART_LABELS,
      experimentalLabels: ['extrasystole'],
      features: heartFeatures,
      input: { name: 'input', layout: 'NCHW', channels: 1 },
      output: { name: 'logits', kind: 'logits', temperature: 0.05 },
      thresholds: { unknownBelow: 0, abnormal: 0.5 },
      training: { command: 'none: random weights', seed: 11, createdAt: '2026-01-01T00:00:00.000Z', datasets: [] },
      metrics: {},
      licence: 'Apache-2.0',
      disclaimer: DISCLAIMER,
    },
    state: randomStateDict(resnet34(HEART_LABELS.length, { stemWidth: 4, blocks: [1, 1, 1], widths: [4, 8, 12] }), 11),
    golden: { input: Float32Array.from({ length: mel.nMels * windowFrames }, (_, i) => 2 * Math.sin(12.9898 + i * 0.71 + Math.sin(i * 0.013) * 7)) },
    card: '# test-heart\n\nRandom weights.\n',
    ...over,
  });
}
