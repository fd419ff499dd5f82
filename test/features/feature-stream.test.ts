import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConditionedItem } from '../../src/condition/types.js';
import { FeatureStream } from '../../src/features/feature-stream.js';
import { melSpectrogram } from '../../src/features/mel-spectrogram.js';
import { offlineWindows, windowInput, windowSpanSamples } from '../../src/features/offline.js';
import { articleFeatures, heartFeatures } from '../../src/features/presets.js';
import type { FeatureItem, FeatureParams, FeatureWindow, FrameBlock } from '../../src/features/types.js';
import { noise } from './signals.js';

/** Short windows, so that properties run in no time; every parameter differs from its neighbour. */
const small: FeatureParams = {
  ...heartFeatures,
  mel: { ...heartFeatures.mel, nFft: 64, winLength: 40, hopLength: 12, nMels: 8, fMinHz: 50, fMaxHz: 900 },
  windowFrames: 10,
  windowHopFrames: 3,
};
const variants: Array<[string, FeatureParams]> = [
  ['reflect', small],
  ['constant', { ...small, mel: { ...small.mel, padMode: 'constant' } }],
  ['uncentred', { ...small, mel: { ...small.mel, center: false } }],
  ['hop beyond the window', { ...small, mel: { ...small.mel, hopLength: 70, winLength: 33 } }],
  ['windows far apart', { ...small, windowHopFrames: 13 }],
];

describe.each(variants)('FeatureStream, %s', (_, params) => {
  it('equals the offline transform frame for frame, for any length and chunking', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 900 }), fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 12 }), (length, cuts) => {
        const y = noise(length, 7);
        const frames = framesOf(run(params, [...chunks(y, cuts), end]));
        expectSameFrames(frames, y, params);
      }),
      { numRuns: 60 },
    );
  });

  it('gives the same windows for any chunking', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 900 }), fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 12 }), (length, cuts) => {
        const y = noise(length, 3);
        const whole = windowsOf(run(params, [...chunks(y, []), end]));
        const cut = windowsOf(run(params, [...chunks(y, cuts), end]));
        expect(cut.map(withoutTime)).toEqual(whole.map(withoutTime));
      }),
      { numRuns: 40 },
    );
  });

  it('starts afresh after a gap', () => {
    const [before, after] = [noise(700, 1), noise(800, 2)];
    const gap: ConditionedItem = { kind: 'gap', streamId: 's', sampleRateHz: 2000, startSample: 700, lengthSamples: 50, reason: 'overrun', capturedAtMs: 0 };
    const items = run(params, [...chunks(before, [100, 333]), gap, ...chunks(after, [5], 750), end]);
    const at = items.findIndex(({ kind }) => kind === 'gap');
    expect(items[at]).toEqual(gap);
    expectSameFrames(framesOf(items.slice(0, at)), before, params);
    expectSameFrames(framesOf(items.slice(at)), after, params);
    const fresh = windowsOf(run(params, [...chunks(after, []), end]));
    const later = windowsOf(items.slice(at));
    expect(later.map(({ input }) => input)).toEqual(fresh.map(({ input }) => input));
    expect(later.map(({ startSample, endSample }) => [startSample, endSample])).toEqual(fresh.map((w) => [w.startSample + 750, w.endSample + 750]));
    expect(windowsOf(items).map(({ seq }) => seq)).toEqual(windowsOf(items).map((_w, i) => i));
  });
});

describe('windows', () => {
  it('equal windowInput of the samples that they say they cover, within the segment', () => {
    const y = noise(3 * 6240, 5);
    const windows = [...offlineWindows(y, heartFeatures)];
    const { winLength, nFft } = heartFeatures.mel;
    let compared = 0;
    for (const window of windows) {
      const start = window.startSample - (nFft - winLength) / 2;
      if (start < 0 || start + windowSpanSamples(heartFeatures) > y.length || window.endSample - window.startSample < 6112) continue;
      const alone = windowInput(y.subarray(start, start + windowSpanSamples(heartFeatures)), heartFeatures);
      // Their RMS is summed up in another order.
      expect(window.input.every((x, i) => Math.abs(x - alone[i]!) < 1e-5)).toBe(true);
      compared += 1;
    }
    expect(compared).toBeGreaterThan(20);
  });

  it.each([
    ['heart', heartFeatures, 6000, [0, 6000]],
    ['article', articleFeatures, 12000, [0, 12000]],
  ] as const)('%s: three seconds give one whole window', (_name, params, length, range) => {
    const windows = [...offlineWindows(noise(length, 1), params)];
    expect(windows.map(({ startSample, endSample }) => [startSample, endSample])).toEqual([range]);
    expect(windows[0]!.descriptors.filledRatio).toBe(1);
  });

  it('of a live stream come as soon as their last sample is there', () => {
    const y = noise(12000, 4);
    const stream = new FeatureStream(heartFeatures);
    const seen: Array<{ received: number; window: FeatureWindow }> = [];
    let received = 0;
    for (const chunk of chunks(y, Array.from({ length: 12000 / 10 - 1 }, () => 10))) {
      received += 10;
      stream.push(chunk, (item) => {
        if (item.kind === 'window') seen.push({ received, window: item });
      });
    }
    expect(seen.length).toBeGreaterThan(10);
    for (const { received: at, window } of seen) {
      expect(at - window.endSample).toBeGreaterThanOrEqual(0);
      expect(at - window.endSample).toBeLessThan(10);
      expect(window.capturedAtMs).toBeCloseTo(window.endSample / 2, 9);
    }
    const distances = seen.slice(2).map(({ window }, i) => window.endSample - seen[i + 1]!.window.endSample);
    expect(new Set(distances)).toEqual(new Set([512]));
  });

  it('a clip of one sample or more gives one window, repeated to fill it; an empty one none', () => {
    expect([...offlineWindows(new Float32Array(0), heartFeatures)]).toEqual([]);
    for (const length of [1, 2, 31, 64, 129, 2000]) {
      const windows = [...offlineWindows(noise(length, 2), heartFeatures)];
      expect(windows).toHaveLength(1);
      const [window] = windows as [FeatureWindow];
      const frames = 1 + Math.floor(length / 32);
      expect(window.descriptors.filledRatio).toBeCloseTo(frames / 188, 12);
      expect([window.startSample, window.endSample]).toEqual([0, length]);
      expect(window.input.every(Number.isFinite)).toBe(true);
      // Frame t of the input is frame t mod frames of the clip.
      for (const t of [frames, 187]) {
        for (const band of [0, 63]) expect(window.input[band * 188 + t]).toBe(window.input[band * 188 + (t % frames)]);
      }
    }
  });

  it('of digital silence are zeros, not NaN', () => {
    const [window] = [...offlineWindows(new Float32Array(6000), heartFeatures)];
    expect(window!.input.every((x) => x === 0)).toBe(true);
    expect(window!.descriptors).toEqual({
      rms: 0, peak: 0, clippedRatio: 0, nonFiniteRatio: 0, spectralFlatness: 0, spectralCentroidHz: 0, periodicity: 0, silentRatio: 1, filledRatio: 1,
    });
  });

  it("don't depend on the recording's gain", () => {
    const y = noise(6000, 8);
    const [loud] = [...offlineWindows(y, heartFeatures)];
    const [soft] = [...offlineWindows(y.map((x) => x / 1024), heartFeatures)];
    const worst = soft!.input.reduce((max, x, i) => Math.max(max, Math.abs(x - loud!.input[i]!)), 0);
    expect(worst).toBeLessThan(1e-4);
  });
});

const end: ConditionedItem = { kind: 'end', streamId: 's' };

/** Cuts y at the given lengths; the last chunk takes the rest. Captured 0.5 ms per sample from 0. */
function chunks(y: Float32Array, cuts: readonly number[], startSample = 0): ConditionedItem[] {
  const items: ConditionedItem[] = [];
  let at = 0;
  for (const cut of [...cuts, Infinity]) {
    const samples = y.slice(at, Math.min(y.length, at + cut));
    const end = startSample + at + samples.length;
    items.push({ kind: 'chunk', streamId: 's', samples, sampleRateHz: 2000, startSample: startSample + at, capturedAtMs: end / 2, clippedSamples: 0, nonFiniteSamples: 0 });
    at += samples.length;
  }
  return items;
}

function run(params: FeatureParams, items: readonly ConditionedItem[]): FeatureItem[] {
  const stream = new FeatureStream(params);
  const out: FeatureItem[] = [];
  for (const item of items) stream.push(item, (made) => out.push(made));
  return out;
}

function windowsOf(items: readonly FeatureItem[]): FeatureWindow[] {
  return items.filter((item): item is FeatureWindow => item.kind === 'window');
}

function withoutTime({ capturedAtMs: _, ...rest }: FeatureWindow): Omit<FeatureWindow, 'capturedAtMs'> {
  return rest;
}

function framesOf(items: readonly FeatureItem[]): Float32Array[] {
  return items
    .filter((item): item is FrameBlock => item.kind === 'frames')
    .flatMap(({ melDb, columns, nMels }) => Array.from({ length: columns }, (_, t) => melDb.slice(t * nMels, (t + 1) * nMels)));
}

function expectSameFrames(actual: readonly Float32Array[], y: Float32Array, params: FeatureParams): void {
  const { data, frames } = melSpectrogram(y, params.mel);
  expect(actual.length).toBe(frames);
  let worst = 0;
  actual.forEach((frame, t) =>
    frame.forEach((db, band) => (worst = Math.max(worst, Math.abs(db - 10 * Math.log10(Math.max(1e-10, data[band * frames + t]!)))))),
  );
  expect(worst).toBeLessThan(1e-4);
}
