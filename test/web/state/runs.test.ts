import { describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../../../web/state/model.js';
import { blocksOf, runAt, runsOf } from '../../../web/state/runs.js';
import { hashOfStream, streamOfHash } from '../../../web/state/selection.js';

const entry = (endMs: number, label: string, confidence = 0.5): HistoryEntry => ({ endMs, label, confidence, qualityScore: 1 });

describe('blocks', () => {
  it('reach back to the prediction before, or one hop where that one is missing', () => {
    const blocks = blocksOf([entry(1000, 'a'), entry(2000, 'a'), entry(9000, 'b')], 1000);
    expect(blocks.map(({ fromMs, toMs }) => [fromMs, toMs])).toEqual([[0, 1000], [1000, 2000], [8000, 9000]]);
  });

  it('bridge a single late or dropped window', () => {
    expect(blocksOf([entry(0, 'a'), entry(2400, 'a')], 1000)[1]!.fromMs).toBe(0);
  });
});

describe('runs', () => {
  const runs = runsOf(blocksOf([entry(1000, 'a', 0.2), entry(2000, 'a', 0.4), entry(3000, 'b'), entry(9000, 'b')], 1000));

  it('merge touching blocks of one label and average their scores', () => {
    expect(runs.map(({ label, fromMs, toMs, windows }) => [label, fromMs, toMs, windows])).toEqual([
      ['a', 0, 2000, 2],
      ['b', 2000, 3000, 1],
      ['b', 8000, 9000, 1],
    ]);
    expect(runs[0]!.meanConfidence).toBeCloseTo(0.3, 12);
  });

  it('are found by time; holes belong to none', () => {
    expect([0, 1999, 2000, 5000, 8500, 9000].map((ms) => runAt(runs, ms))).toEqual([0, 0, 1, -1, 2, -1]);
  });
});

describe('address', () => {
  it('names a stream and is read back', () => {
    expect(streamOfHash(hashOfStream('ward-3.bed_2'))).toBe('ward-3.bed_2');
    expect(streamOfHash('')).toBeUndefined();
    expect(streamOfHash('#stream=')).toBeUndefined();
    expect(streamOfHash('#other')).toBeUndefined();
  });
});
