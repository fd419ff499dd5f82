/** Writes a small but complete model package for tests. */
import { DISCLAIMER } from '../../src/common/disclaimer.js';
import type { ModelPackage } from '../../src/inference/model-package.js';
import { writeModelPackage, type ModelPackageContents } from '../../src/inference/model-writer.js';
import { inputs, SMALL, smallState } from './small-model.js';

export function smallContents(over: Partial<ModelPackageContents> = {}): ModelPackageContents {
  return {
    manifest: {
      schema: 'stethostream-model/1',
      name: 'test-small',
      version: '0.0.1',
      description: 'Random weights, for tests.',
      architecture: 'resnet-small-1ch',
      labels: ['normal', 'murmur', 'extrasystole', 'artifact'],
      experimentalLabels: ['extrasystole'],
      features: {
        mel: { sampleRateHz: 2000, nFft: 256, winLength: 128, hopLength: 32, window: 'hann', center: true, padMode: 'constant', power: 2, nMels: SMALL.height, fMinHz: 20, fMaxHz: 950, htk: false, norm: 'slaney' },
        db: { amin: 1e-7, ref: 1, topDb: null },
        normalisation: 'windowRms-bandMean-windowStd',
        windowFrames: SMALL.width,
        windowHopFrames: 8,
        dcBlockHz: 10,
      },
      input: { name: 'input', layout: 'NCHW', channels: 1 },
      output: { name: 'logits', kind: 'logits', temperature: 1.5 },
      thresholds: { unknownBelow: 0.4, abnormal: 0.5 },
      training: { command: 'none: random weights', seed: 11, createdAt: '2026-01-01T00:00:00.000Z', datasets: [] },
      metrics: {},
      licence: 'Apache-2.0',
      disclaimer: DISCLAIMER,
    },
    state: smallState(),
    golden: { input: inputs(1, 5) },
    card: '# test-small\n\nRandom weights.\n',
    ...over,
  };
}

export function writeSmallPackage(folder: string, over: Partial<ModelPackageContents> = {}): Promise<ModelPackage> {
  return writeModelPackage(folder, smallContents(over));
}
