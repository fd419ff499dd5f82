/** Class-activation maps: their definition, and where a window's map lands in the clip's picture. */
import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { heartFeatures } from '../../../src/features/index.js';
import { randomStateDict } from '../../../src/inference/random-state.js';
import { resnet34 } from '../../../src/inference/resnet34.js';
import { openClassMapper } from '../../../src/training/engine/class-mapper.js';
import { loadTensorFlow, tensorFlowStatus } from '../../../src/training/engine/tensorflow.js';
import { createTrainer } from '../../../src/training/engine/trainer.js';
import { windowedMaps } from '../../../src/training/report/class-maps.js';
import { mapLayers } from '../../../src/training/report/clip-media.js';

describe.skipIf(!tensorFlowStatus().installed)('class mapper (needs `npm run setup:tensorflow`)', () => {
  const spec = resnet34(4, { stemWidth: 4, blocks: [1, 1], widths: [4, 8] });
  const [n, height, width] = [3, 32, 48];
  const x = Float32Array.from({ length: n * height * width }, (_, i) => Math.sin(i * i));

  it('gives maps whose mean, plus the bias, is the logit', () => {
    const state = randomStateDict(spec, 4);
    const tf = loadTensorFlow();
    const trainer = createTrainer({ tf, spec, height, width, seed: 1 });
    trainer.loadStateDict(state);
    const logits = trainer.predict(x, n);
    const mapper = openClassMapper(tf, spec, state);
    const maps = mapper.maps(x, [n, height, width]);
    expect([maps.n, maps.height, maps.width, maps.labels]).toEqual([n, 4, 6, 4]);
    const spread = new Set(maps.values.map((value) => Math.round(value * 1e4))).size;
    expect(spread).toBeGreaterThan(20);
    for (let row = 0; row < n; row++) {
      for (let c = 0; c < 4; c++) {
        let sum = 0;
        for (let i = 0; i < 24; i++) sum += maps.values[(row * 24 + i) * 4 + c]!;
        expect(sum / 24 + state.get('fc.bias')!.data[c]!).toBeCloseTo(logits[row * 4 + c]!, 4);
      }
    }
    mapper.dispose();
    trainer.dispose();
  });

  it('refuses the weights of another network', () => {
    expect(() => openClassMapper(loadTensorFlow(), spec, randomStateDict(resnet34(3, { stemWidth: 4, blocks: [1, 1], widths: [4, 8] }), 1))).toThrow('fc.weight');
  });
});

describe('maps of a clip', () => {
  const { nMels, hopLength } = heartFeatures.mel;
  const { windowFrames, windowHopFrames } = heartFeatures;
  /** Two cells, lower bands first: the lower one says how many windows came before, the upper one nothing. */
  const counting = () => {
    let seen = 0;
    return {
      maps: (_: Float32Array, [n]: readonly [number, number, number]) => {
        const values = new Float32Array(2 * n);
        for (let i = 0; i < n; i++) values[2 * i] = seen++;
        return { values, n, height: 2, width: 1, labels: 1 };
      },
    };
  };
  const noise = (frames: number) => Float32Array.from({ length: (frames - 1) * hopLength }, (_, i) => Math.sin(i * i) / 4);

  it('are the mean of the windows over each column, low bands below', () => {
    const frames = windowFrames + 2 * windowHopFrames;
    const [map] = windowedMaps(noise(frames), heartFeatures, counting(), 1);
    expect(map).toHaveLength(nMels * frames);
    const bottom = (column: number) => map![(nMels - 1) * frames + column];
    expect(map![frames - 1]).toBe(0);
    expect(bottom(windowHopFrames - 1)).toBe(0);
    expect(bottom(windowHopFrames)).toBeCloseTo(0.5);
    expect(bottom(2 * windowHopFrames)).toBeCloseTo(1);
    expect(bottom(windowFrames)).toBeCloseTo(1.5);
    expect(bottom(frames - 1)).toBeCloseTo(2);
  });

  it('of a clip shorter than a window fold its repetitions back', () => {
    const frames = 70;
    const right = { maps: () => ({ values: Float32Array.of(0, 1), n: 1, height: 1, width: 2, labels: 1 }) };
    const [map] = windowedMaps(noise(frames), heartFeatures, right, 1);
    expect(map).toHaveLength(nMels * frames);
    // Window columns 10, 80 and 150 are the clip's column 10.
    const at = (t: number) => Math.max(0, Math.min(1, ((t + 0.5) * 2) / windowFrames - 0.5));
    expect(map![10]).toBeCloseTo((at(10) + at(80) + at(150)) / 3, 5);
    expect(map![60]).toBeCloseTo((at(60) + at(130)) / 2, 5);
  });

  it('become veils of one scale: positive parts only, a class of several labels by the strongest', () => {
    const of = new Map([['normal', Float32Array.of(-1, 0, 2, 9)], ['murmur', Float32Array.of(4, -3, 0, 9)], ['extrasystole', Float32Array.of(1, -1, 1, 9)]]);
    const layers = mapLayers(of, ['normal', 'murmur/extrasystole', 'no such label'], 1, 3);
    expect(layers.map(({ name }) => name)).toEqual(['normal', 'murmur/extrasystole']);
    const pixels = layers.map(({ image }) => {
      const png = Buffer.from(image.split(',')[1] ?? '', 'base64');
      expect(png.includes('tRNS')).toBe(true);
      expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([3, 1]);
      const at = png.indexOf('IDAT');
      return [...inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)))].slice(1);
    });
    expect(pixels[0]).toEqual([0, 0, 128]);
    // 1 of 4, in 24 steps.
    expect(pixels[1]).toEqual([255, 0, 64]);
  });
});
