import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CaptureItem } from '../../src/capture/types.js';
import { StageError } from '../../src/common/stage-error.js';
import { Conditioner, type ConditionOptions } from '../../src/condition/conditioner.js';
import { conditionAll } from '../../src/condition/offline.js';
import type { ConditionedChunk, ConditionedItem } from '../../src/condition/types.js';
import { concat, largestDifference, levelDb, noise, pieces, tone } from './signals.js';

const options: ConditionOptions = { modelRateHz: 2000, dcBlockHz: 10, channel: 'mix' };

describe('Conditioner', () => {
  it('equals conditionAll for any chunking', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4000 }), fc.array(fc.integer({ min: 0, max: 900 }), { maxLength: 8 }), (length, cuts) => {
        const y = noise(length, 9);
        const parts: CaptureItem[] = [];
        let at = 0;
        for (const piece of pieces(y, cuts)) {
          parts.push(chunk(piece, at, { sampleRateHz: 11025 }));
          at += piece.length;
        }
        const streamed = run(options, parts);
        expect(largestDifference(samplesOf(streamed), conditionAll(y, 1, 11025, options))).toBe(0);
      }),
      { numRuns: 25 },
    );
  });

  it('keeps its counter in step with the source through any chunks and gaps', () => {
    const step = fc.record({ gap: fc.boolean(), length: fc.integer({ min: 0, max: 5000 }) });
    fc.assert(
      fc.property(fc.nat(1e12), fc.array(step, { minLength: 1, maxLength: 12 }), (start, steps) => {
        let at = start;
        const items = steps.map(({ gap, length }) => {
          const item = gap ? gapOf(at, length, 44100) : chunk(noise(length, at), at, { sampleRateHz: 44100 });
          at += length;
          return item;
        });
        const out = run(options, items);
        const target = (index: number) => Number((BigInt(index) * 20n + 440n) / 441n);
        let next = target(start);
        for (const item of out) {
          if (item.kind === 'end') continue;
          expect(item.startSample).toBe(next);
          next += item.kind === 'chunk' ? item.samples.length : item.lengthSamples;
        }
        expect(next).toBe(target(at));
        expect(out.filter(({ kind }) => kind === 'gap')).toHaveLength(steps.filter(({ gap }) => gap).length);
        expect(out.at(-1)).toEqual({ kind: 'end', streamId: 's' });
      }),
      { numRuns: 40 },
    );
  });

  it('lets nothing from before a gap ring on after it', () => {
    const loud = new Float32Array(4000).fill(1);
    const out = run(options, [chunk(loud, 0), gapOf(4000, 40, 4000), chunk(new Float32Array(4000), 4040)]);
    const at = out.findIndex(({ kind }) => kind === 'gap');
    expect(out[at]).toMatchObject({ startSample: 2000, lengthSamples: 20, sampleRateHz: 2000, reason: 'overrun', capturedAtMs: 77 });
    expect(samplesOf(out.slice(at)).every((x) => x === 0)).toBe(true);
    expect(samplesOf(out.slice(at))).toHaveLength(2000);
  });

  it('marks a jump of the source’s counter as a gap, and skips samples that were there already', () => {
    const y = noise(4000, 2);
    const jump = run(options, [chunk(y, 0), chunk(y, 5000)]);
    expect(jump.find(({ kind }) => kind === 'gap')).toMatchObject({ startSample: 2000, lengthSamples: 500, reason: 'discontinuity' });
    const repeated = run(options, [chunk(y.subarray(0, 3000), 0), chunk(y.subarray(2000), 2000), chunk(y.subarray(0, 100), 0)]);
    expect(largestDifference(samplesOf(repeated), conditionAll(y, 1, 4000, options))).toBe(0);
  });

  it('says when the newest sample that a chunk depends on was captured, its look-ahead included', () => {
    // Source sample s is captured at s / 4 ms (the chunk's time is that of its last sample).
    const out = run(options, [200, 200, 200, 200].map((n, i) => chunk(noise(n, i), i * 200, { capturedAtMs: (i * 200 + 199) / 4 })));
    const chunks = out.filter((item): item is ConditionedChunk => item.kind === 'chunk');
    expect(chunks.length).toBeGreaterThan(3);
    for (const { startSample, samples, capturedAtMs } of chunks) {
      const newest = 2 * (startSample + samples.length - 1) + 54;
      expect(capturedAtMs).toBeCloseTo(Math.min(newest, 799) / 4, 9);
    }
  });

  it('cuts long chunks, each part with its own time and counts', () => {
    const y = tone(100, 4000, 4000).map((x) => 0.5 * x);
    y.fill(1, 3000, 3100);
    const chunks = run(options, [chunk(y, 0, { capturedAtMs: 3999 / 4 })]).filter((item): item is ConditionedChunk => item.kind === 'chunk');
    expect(chunks.length).toBeGreaterThanOrEqual(20);
    expect(chunks.filter(({ clippedSamples }) => clippedSamples > 0).map(({ startSample }) => startSample)).toEqual([expect.closeTo(1500, -2)]);
    for (const { startSample, samples, capturedAtMs } of chunks.slice(0, -1)) expect(capturedAtMs).toBeCloseTo((2 * (startSample + samples.length - 1) + 54) / 4, 9);
  });

  it('counts clipped and non-finite samples at the source’s rate and hands on finite ones only', () => {
    const y = tone(100, 4000, 4000).map((x) => 0.5 * x);
    y.set([NaN, Infinity, -Infinity], 100);
    y.set([0.999, -1.5, 3e38], 200);
    const chunks = run(options, [chunk(y, 0)]).filter((item): item is ConditionedChunk => item.kind === 'chunk');
    const sum = (key: 'clippedSamples' | 'nonFiniteSamples' | 'sourceSamples') => chunks.reduce((total, item) => total + item[key]!, 0);
    expect([sum('clippedSamples'), sum('nonFiniteSamples'), sum('sourceSamples')]).toEqual([3, 3, 4000]);
    expect(chunks.every(({ samples }) => samples.every(Number.isFinite))).toBe(true);
  });

  it('mixes channels down or takes one', () => {
    const [left, right] = [tone(100, 4000, 8000), tone(300, 4000, 8000)];
    const stereo = Float32Array.from({ length: 16000 }, (_, i) => (i % 2 ? right : left)[i >> 1]!);
    const of = (channel: 'mix' | number) => conditionAll(stereo, 2, 4000, { ...options, channel });
    const alone = (y: Float32Array) => conditionAll(y, 1, 4000, options);
    expect(largestDifference(of(0), alone(left))).toBe(0);
    expect(largestDifference(of(1), alone(right))).toBe(0);
    expect(levelDb(of('mix'))).toBeCloseTo(-3, 1);
    expect(() => of(2)).toThrow(StageError);
    expect(() => of(2)).toThrow('channel 2 was chosen, but the source has 2 (0 … 1)');
  });

  it('copes with empty chunks, a single sample, and no sample at all', () => {
    expect(conditionAll(new Float32Array(0), 1, 4000, options)).toHaveLength(0);
    expect(conditionAll(Float32Array.of(0.5), 1, 4000, options)).toEqual(Float32Array.of(0));
    expect(run(options, [])).toEqual([]);
    expect(run(options, [chunk(new Float32Array(0), 0)])).toEqual([{ kind: 'end', streamId: 's' }]);
  });

  it.each([
    ['CONDITION_RATE_INVALID', [chunk(noise(9, 1), 0, { sampleRateHz: 0 })]],
    ['CONDITION_RATE_CHANGED', [chunk(noise(9, 1), 0), chunk(noise(9, 1), 9, { sampleRateHz: 8000 })]],
    ['CONDITION_CHUNK_INVALID', [chunk(noise(9, 1), 0, { channels: 0 })]],
    ['CONDITION_CHUNK_INVALID', [chunk(noise(9, 1), -3)]],
    ['CONDITION_CHUNK_INVALID', [chunk(noise(9, 1), NaN)]],
    ['CONDITION_CHUNK_INVALID', [gapOf(0, -5, 4000)]],
  ])('%s', (code, items) => {
    expect(() => run(options, items)).toThrow(expect.objectContaining({ code, stage: 'condition' }));
  });

  it.each([
    [{ ...options, channel: -1 }, 'channel is -1; allowed: `mix` or an integer ≥ 0'],
    [{ ...options, dcBlockHz: 1000 }, 'dcBlockHz is 1000; allowed: 0 (off) ≤ dcBlockHz < 1000'],
  ])('refuses options out of range', (bad, message) => {
    expect(() => new Conditioner(bad)).toThrow(message);
  });
});

function chunk(samples: Float32Array, startSample: number, more: Partial<Extract<CaptureItem, { kind: 'chunk' }>> = {}): CaptureItem {
  return { kind: 'chunk', streamId: 's', samples, channels: 1, sampleRateHz: 4000, startSample, capturedAtMs: 0, ...more };
}

function gapOf(startSample: number, lengthSamples: number, sampleRateHz: number): CaptureItem {
  return { kind: 'gap', streamId: 's', sampleRateHz, startSample, lengthSamples, reason: 'overrun', capturedAtMs: 77 };
}

/** Runs a stream to its end, keeping copies of what is valid until the next item only. */
function run(with_: ConditionOptions, items: readonly CaptureItem[]): ConditionedItem[] {
  const conditioner = new Conditioner(with_);
  const out: ConditionedItem[] = [];
  const keep = (item: ConditionedItem) => out.push(item.kind === 'chunk' ? { ...item, samples: item.samples.slice() } : item);
  for (const item of items) conditioner.push(item, keep);
  conditioner.end(keep);
  return out;
}

function samplesOf(items: readonly ConditionedItem[]): Float32Array {
  return concat(items.flatMap((item) => (item.kind === 'chunk' ? [item.samples] : [])));
}
