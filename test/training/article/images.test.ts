import { describe, expect, it } from 'vitest';
import { articleFeatures } from '../../../src/features/index.js';
import { clipPicture, networkInput, PIXEL_DEVIATION, PIXEL_MEAN, resizeBilinear } from '../../../src/training/article/images.js';

describe('pictures of clips', () => {
  it('are grey from topDb below the loudest to the loudest, high bands on top', () => {
    const pcm = Float32Array.from({ length: 8000 }, (_, i) => Math.sin((2 * Math.PI * 1800 * i) / 4000));
    const { pixels, height, width } = clipPicture(pcm, articleFeatures);
    expect([height, width]).toEqual([128, 16]);
    expect(Math.max(...pixels)).toBe(1);
    expect(Math.min(...pixels)).toBeGreaterThanOrEqual(0);
    const brightest = pixels.indexOf(1);
    expect(Math.floor(brightest / width)).toBeLessThan(10);
  });

  it('are resized as PyTorch does it (interpolate, bilinear, align_corners=False)', () => {
    // By hand, from its definition: weights ¼ and ¾ between the pixel centres, edges held.
    const expected = [0, 0.25, 0.75, 1, 0.5, 0.8125, 1.4375, 1.75, 1.5, 1.9375, 2.8125, 3.25, 2, 2.5, 3.5, 4];
    const out = new Float32Array(16);
    resizeBilinear({ pixels: Float32Array.of(0, 1, 2, 4), height: 2, width: 2 }, 4, out, 0);
    expect([...out]).toEqual(expected.map((x) => expect.closeTo(x, 6) as number));
  });

  it('are scaled as ImageNet’s pixels', () => {
    const flat = (value: number) => ({ pixels: new Float32Array(6).fill(value), height: 2, width: 3 });
    const x = networkInput([flat(PIXEL_MEAN), flat(1)], 5);
    expect(x).toHaveLength(50);
    expect(x[0]).toBeCloseTo(0, 6);
    expect(x[49]).toBeCloseTo((1 - PIXEL_MEAN) / PIXEL_DEVIATION, 5);
  });
});
