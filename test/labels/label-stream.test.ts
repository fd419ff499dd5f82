import { TestScheduler } from 'rxjs/testing';
import { describe, expect, it } from 'vitest';
import type { InferenceItem } from '../../src/inference/types.js';
import { labelStream, type LabelOptions } from '../../src/labels/label-stream.js';

const options: LabelOptions = {
  labels: ['normal', 'murmur', 'extrasystole', 'artifact'],
  model: { name: 'test', version: '1.0.0' },
  unknownBelow: 0.5,
  smoothing: { timeConstantMs: 500, margin: 0.1 },
  now: () => 10_040,
};

function inferred(seq: number, probabilities: number[], startSample = seq * 512, change = {}): InferenceItem {
  return {
    kind: 'inferred',
    probabilities: Float32Array.from(probabilities),
    queueMs: 0,
    runMs: 10,
    batchSize: 1,
    window: {
      kind: 'window',
      streamId: 's1',
      seq,
      startSample,
      endSample: startSample + 6000,
      sampleRateHz: 2000,
      capturedAtMs: 10_000,
      descriptors: {
        rms: 0.1,
        peak: 0.5,
        clippedRatio: 0,
        nonFiniteRatio: 0,
        spectralFlatness: 0.1,
        spectralCentroidHz: 90,
        periodicity: 0.6,
        silentRatio: 0,
        filledRatio: 1,
        ...change,
      },
    },
  };
}

function run(items: InferenceItem[], o: LabelOptions = options) {
  const out: unknown[] = [];
  new TestScheduler((a, b) => expect(a).toEqual(b)).run(({ cold, flush }) => {
    const names = 'abcdefghij'.slice(0, items.length);
    cold(`${names}|`, Object.fromEntries(items.map((item, i) => [names[i], item])))
      .pipe(labelStream(o))
      .subscribe((m) => out.push(m));
    flush();
  });
  return out as Array<Record<string, never>>;
}

describe('labelStream', () => {
  it('publishes one prediction per window, raw and smoothed side by side', () => {
    const [first, second] = run([inferred(0, [0.9, 0.1, 0, 0]), inferred(1, [0.3, 0.7, 0, 0])]);
    expect(first).toMatchObject({ type: 'prediction', streamId: 's1', seq: 0, label: 'normal', rawLabel: 'normal', latencyMs: 40 });
    expect(first!['window']).toEqual({
      startSample: 0,
      endSample: 6000,
      sampleRateHz: 2000,
      startTime: new Date(7000).toISOString(),
      endTime: new Date(10_000).toISOString(),
    });
    // Hysteresis holds the label; the raw one is not hidden.
    expect(second).toMatchObject({ label: 'normal', rawLabel: 'murmur' });
    expect(second!['probabilities']['murmur']).toBeCloseTo(0.7, 6);
  });

  it('says unknown with its reason where confidence or quality is too low', () => {
    const [unsure] = run([inferred(0, [0.4, 0.3, 0.2, 0.1])]);
    expect(unsure).toMatchObject({ label: 'unknown', rawLabel: 'normal', quality: { reasons: ['low-confidence'] } });
    const [silent] = run([inferred(0, [0.9, 0.1, 0, 0], 0, { silentRatio: 1, rms: 0 })]);
    expect(silent).toMatchObject({ label: 'unknown', rawLabel: 'normal', quality: { score: 0, reasons: ['silence'] } });
  });

  it('forgets what was before a gap', () => {
    const [, after] = run([inferred(0, [1, 0, 0, 0]), inferred(1, [0, 1, 0, 0], 60_000)]);
    expect(after).toMatchObject({ label: 'murmur', confidence: 1 });
  });

  it('turns dropped windows into counted drop messages', () => {
    const dropped: InferenceItem = {
      kind: 'dropped', streamId: 's1', seq: 0, startSample: 0, endSample: 6000, sampleRateHz: 2000, capturedAtMs: 0, reason: 'queue-full',
    };
    const out = run([dropped, { ...dropped, seq: 1 }]);
    expect(out.map((m) => m['total'])).toEqual([1, 2]);
    expect(out[0]).toMatchObject({ type: 'drop', kind: 'window', count: 1, reason: 'queue-full' });
  });
});
