import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/common/paths.js';
import { randomStateDict } from '../../../src/inference/random-state.js';
import { parameters, resnet34 } from '../../../src/inference/resnet34.js';
import { writeSafetensors } from '../../../src/inference/safetensors.js';
import { PIXEL_DEVIATION, PIXEL_MEAN } from '../../../src/training/article/images.js';
import { fitWeights, readStartWeights } from '../../../src/training/article/start-weights.js';
import { Random } from '../../../src/training/random.js';

const small = { stemWidth: 4, blocks: [1, 1], widths: [4, 8] };
const colour = resnet34(1000, { ...small, inputChannels: 3 });
const grey = resnet34(3, small);

describe('start weights', () => {
  it('take everything of an ImageNet network but its classifier', () => {
    const { state, taken, all, missing } = fitWeights(randomStateDict(colour, 1), grey);
    expect(missing).toEqual(['fc.weight', 'fc.bias']);
    expect(all - taken).toBe(3 * 8 + 3);
    expect([...state.keys()]).toEqual(parameters(grey).map((p) => p.name).filter((name) => !name.startsWith('fc.')));
  });

  it('see a grey picture as the three-colour network saw it', () => {
    const given = randomStateDict(colour, 2);
    const { state } = fitWeights(given, grey);
    const random = new Random(3);
    const patch = Float32Array.from({ length: 49 }, () => random.next());
    const [mean, deviation] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];
    for (let o = 0; o < 4; o++) {
      let [before, after] = [0, 0];
      patch.forEach((g, k) => {
        for (let c = 0; c < 3; c++) before += given.get('conv1.weight')!.data[(o * 3 + c) * 49 + k]! * ((g - mean[c]!) / deviation[c]!);
        after += state.get('conv1.weight')!.data[o * 49 + k]! * ((g - PIXEL_MEAN) / PIXEL_DEVIATION);
      });
      expect(after - state.get('bn1.running_mean')!.data[o]!).toBeCloseTo(before - given.get('bn1.running_mean')!.data[o]!, 4);
    }
  });

  it('take folded batch norm apart: scale 1, shift = bias', () => {
    const folded = new Map(randomStateDict(colour, 4));
    for (const name of [...folded.keys()]) if (/(^|\.)(bn\d|downsample\.1)\./.test(name)) folded.delete(name);
    folded.set('layer1.0.conv1.bias', { shape: [4], data: Float32Array.of(1, 2, 3, 4) });
    const { state, missing } = fitWeights(folded, grey);
    expect([...state.get('layer1.0.bn1.weight')!.data]).toEqual([1, 1, 1, 1]);
    expect([...state.get('layer1.0.bn1.bias')!.data]).toEqual([1, 2, 3, 4]);
    expect([...state.get('layer1.0.bn1.running_var')!.data]).toEqual([1, 1, 1, 1]);
    expect(missing).toContain('layer1.0.bn2.weight');
  });

  it('refuse a file of something else, naming what it holds', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'stetho-weights-')), 'other.safetensors');
    await writeSafetensors(file, new Map([['encoder.weight', { shape: [2], data: Float32Array.of(1, 2) }]]));
    await expect(readStartWeights(file, grey)).rejects.toMatchObject({ code: 'TRAINING_WEIGHTS_UNSUITABLE', message: expect.stringContaining('encoder.weight') as string });
  });

  const partial = join(packageRoot, '..', 'shared', 'weights', 'resnet18-imagenet-partial.f16.safetensors');
  it.skipIf(!existsSync(partial))('fit the partial ImageNet file (skipped where ../shared/weights is missing)', async () => {
    const { taken, all, state } = await readStartWeights(partial, resnet34(3));
    expect(taken / all).toBeGreaterThan(0.28);
    expect(taken / all).toBeLessThan(0.32);
    expect(state.get('conv1.weight')?.shape).toEqual([64, 1, 7, 7]);
    expect([...state.values()].every(({ data }) => data.every(Number.isFinite))).toBe(true);
  });
});
