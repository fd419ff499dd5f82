import { describe, expect, it } from 'vitest';
import { frameHead } from '../../src/inference/frame-head.js';
import { resnet34 } from '../../src/inference/resnet34.js';
import { firstFrames, halfWidth } from '../../src/training/half-windows.js';
import type { Batch } from '../../src/training/sampler.js';

describe('half windows', () => {
  it('are as wide as leaves the frame head’s outputs what they mean', () => {
    const spec = resnet34(4);
    expect(halfWidth(spec, 188)).toBe(92);
    expect([frameHead(spec, 188, 4).offset, frameHead(spec, 92, 4).offset, frameHead(spec, 94, 4).offset]).toEqual([4, 4, 2]);
    for (const [width, half] of [[128, 64], [313, 153]] as const) expect(halfWidth(spec, width)).toBe(half);
    expect(() => halfWidth(spec, 100)).toThrowError(expect.objectContaining({ code: 'TRAINING_OPTION_INVALID', message: expect.stringContaining('windows of 100 frames') }));
  });

  it('hold the first frames of every band of every window, and what is known of them', () => {
    const [n, nMels, frames, states] = [2, 3, 5, 2];
    const number = (row: number, band: number, frame: number) => 100 * row + 10 * band + frame;
    const x = Float32Array.from({ length: n * nMels * frames }, (_, i) => number(Math.floor(i / (nMels * frames)), Math.floor(i / frames) % nMels, i % frames));
    const frameTargets = Float32Array.from({ length: n * frames * states }, (_, i) => i);
    const batch: Batch = { x, n, setsA: [1, 2], setsB: [2, 1], lambda: Float32Array.of(1, 0.6), frameTargets };
    const half = firstFrames(batch, frames, 2);
    expect(half).toMatchObject({ n, width: 2, setsA: [1, 2], setsB: [2, 1], lambda: batch.lambda });
    expect([...half.x]).toEqual([0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121]);
    expect([...half.frameTargets!]).toEqual([0, 1, 2, 3, 10, 11, 12, 13]);
    delete batch.frameTargets;
    expect(firstFrames(batch, frames, 2)).not.toHaveProperty('frameTargets');
  });
});
