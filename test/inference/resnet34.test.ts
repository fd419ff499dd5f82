import { describe, expect, it } from 'vitest';
import { foldBatchNorm } from '../../src/inference/fold-batch-norm.js';
import { randomStateDict } from '../../src/inference/random-state.js';
import { basicBlocks, convolutions, parameters, resnet34 } from '../../src/inference/resnet34.js';
import { elementCount } from '../../src/inference/state-dict.js';

const small = resnet34(3, { stemWidth: 4, blocks: [1, 2], widths: [4, 8] });

describe('ResNet-34 as data', () => {
  it('has the published number of weights: torchvision says 21,797,672 for three channels and 1000 classes', () => {
    const trainable = parameters(resnet34(1000, { inputChannels: 3 })).filter((p) => p.trainable);
    expect(trainable.reduce((sum, p) => sum + elementCount(p.shape), 0)).toBe(21_797_672);
  });

  it('names and shapes parameters as torchvision does', () => {
    const byName = new Map(parameters(resnet34(4)).map((p) => [p.name, p.shape]));
    expect(byName.get('conv1.weight')).toEqual([64, 1, 7, 7]);
    expect(byName.get('layer1.0.conv1.weight')).toEqual([64, 64, 3, 3]);
    expect(byName.get('layer3.5.bn2.running_var')).toEqual([256]);
    expect(byName.get('layer2.0.downsample.0.weight')).toEqual([128, 64, 1, 1]);
    expect(byName.get('layer4.0.downsample.1.running_mean')).toEqual([512]);
    expect(byName.get('fc.weight')).toEqual([4, 512]);
    expect(byName.has('layer1.0.downsample.0.weight')).toBe(false);
  });

  it('has 34 weighted layers on the main path and strides in the first block of stages 2 to 4', () => {
    const spec = resnet34(4);
    const projections = basicBlocks(spec).filter((block) => block.downsample !== null);
    expect(convolutions(spec).length - projections.length + 1).toBe(34);
    expect(projections.map((block) => [block.name, block.first.stride])).toEqual([['layer2.0', 2], ['layer3.0', 2], ['layer4.0', 2]]);
  });
});

describe('random weights', () => {
  it('are reproducible by seed and differ between seeds', () => {
    const weights = (seed: number) => randomStateDict(small, seed).get('layer2.1.conv2.weight')!.data;
    expect(weights(1)).toEqual(weights(1));
    expect(weights(1)).not.toEqual(weights(2));
  });
});

describe('folding batch norm', () => {
  it('scales weights per output channel and moves the mean into the bias', () => {
    const state = randomStateDict(small, 3);
    state.set('bn1.weight', { shape: [4], data: Float32Array.of(2, 1, 1, 1) });
    state.set('bn1.running_var', { shape: [4], data: Float32Array.of(4 - 1e-5, 1, 1, 1) });
    state.set('bn1.running_mean', { shape: [4], data: Float32Array.of(3, 0, 0, 0) });
    state.set('bn1.bias', { shape: [4], data: Float32Array.of(0.5, 0, 0, 0) });
    const folded = foldBatchNorm(state, small);
    // s = 2 / √4 = 1, bias = 0.5 − 3·1.
    expect(folded.get('conv1.bias')!.data[0]).toBeCloseTo(-2.5, 6);
    expect(folded.get('conv1.weight')!.data[5]).toBeCloseTo(state.get('conv1.weight')!.data[5]!, 6);
    expect(folded.has('bn1.weight')).toBe(false);
  });

  it.each([
    ['missing', (s: ReturnType<typeof randomStateDict>) => void s.delete('layer1.0.bn1.running_var'), /no tensor layer1\.0\.bn1\.running_var/],
    ['misshapen', (s: ReturnType<typeof randomStateDict>) => void s.set('fc.bias', { shape: [4], data: new Float32Array(4) }), /fc\.bias has shape \[4\], expected \[3\]/],
    ['not finite', (s: ReturnType<typeof randomStateDict>) => void s.get('conv1.weight')!.data.fill(NaN, 7, 8), /conv1\.weight holds NaN at index 7/],
  ])('refuses a tensor that is %s', (_what, spoil, message) => {
    const state = randomStateDict(small, 3);
    spoil(state);
    expect(() => foldBatchNorm(state, small)).toThrow(message);
  });
});
