import { describe, expect, it } from 'vitest';
import { QualityReason, StreamState } from '../../../src/protocol/messages.js';
import { Announcer, ANNOUNCE_EVERY_MS } from '../../../web/text/announcer.js';
import { formatDurationMs, formatPercent, timeOf } from '../../../web/text/format.js';
import { markText, runText } from '../../../web/text/history-text.js';
import { reasonText, stateText } from '../../../web/text/reasons.js';

describe('numbers', () => {
  it('round percentages but never to a false certainty', () => {
    expect([0, 0.004, 0.006, 0.814, 0.994, 0.9999, 1].map(formatPercent)).toEqual(['0 %', '<1 %', '<1 %', '81 %', '>99 %', '>99 %', '100 %']);
  });

  it('show durations in a fitting unit', () => {
    expect([0, 42.4, 994, 995, 9940, 9960, 59_400, 59_600, 185_000].map(formatDurationMs)).toEqual([
      '0 ms', '42 ms', '994 ms', '1.0 s', '9.9 s', '10 s', '59 s', '1 min 0 s', '3 min 5 s',
    ]);
  });

  it('read times and fall back when they are none', () => {
    expect(timeOf('1970-01-01T00:00:01.500Z', 0)).toBe(1500);
    expect(timeOf('soon', 7)).toBe(7);
  });
});

describe('words', () => {
  it('exist for every quality reason and stream state of the protocol', () => {
    for (const { const: reason } of QualityReason.anyOf) expect(reasonText(reason)).not.toBe(reason);
    for (const { const: state } of StreamState.anyOf) expect(stateText(state)).toMatch(/^[A-Z][a-z]+$/);
  });

  it('show a reason of a newer station as it is', () => {
    expect(reasonText('too-much-rain')).toBe('too much rain');
  });

  it('tell a run with the gaps and drops inside it', () => {
    const run = { label: 'murmur', fromMs: 0, toMs: 4000, windows: 4, meanConfidence: 0.81, meanQuality: 0.9 };
    const gap = { kind: 'gap', timeMs: 1000, lengthMs: 750, text: 'overrun' } as const;
    const later = { kind: 'drop', timeMs: 4000, lengthMs: 0, text: '2 dropped: queue-full' } as const;
    expect(runText(run, [gap, later])).toMatch(/^Murmur, .* \(4\.0 s\): mean confidence 81 %, signal quality 90 %, 1 gap$/);
    expect(markText(gap)).toMatch(/750 ms of sound missing \(overrun\)$/);
  });
});

describe('announcer', () => {
  it('speaks of changes only, and not faster than allowed', () => {
    const announcer = new Announcer();
    expect(announcer.offer('a', 'A', 0)).toBe('A');
    expect(announcer.offer('a', 'A', 60_000)).toBeUndefined();
    expect(announcer.offer('b', 'B', 60_000)).toBe('B');
    expect(announcer.offer('a', 'A', 60_001)).toBeUndefined();
    expect(announcer.offer('c', 'C', 60_000 + ANNOUNCE_EVERY_MS)).toBe('C');
  });

  it('says nothing when a label flickered and came back', () => {
    const announcer = new Announcer();
    announcer.offer('a', 'A', 0);
    expect(announcer.offer('b', 'B', 100)).toBeUndefined();
    expect(announcer.offer('a', 'A', ANNOUNCE_EVERY_MS)).toBeUndefined();
  });
});
