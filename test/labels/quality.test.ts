import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WindowDescriptors } from '../../src/features/types.js';
import { defaultQualityRules, judgeQuality, passesGate } from '../../src/labels/quality.js';

const good: WindowDescriptors = {
  rms: 0.1,
  peak: 0.6,
  clippedRatio: 0,
  nonFiniteRatio: 0,
  spectralFlatness: 0.1,
  spectralCentroidHz: 90,
  periodicity: 0.6,
  silentRatio: 0,
  filledRatio: 1,
};
const judge = (change: Partial<WindowDescriptors>) => judgeQuality({ ...good, ...change });

describe('judgeQuality', () => {
  it('gives a clean heart sound full marks and no reason', () => {
    expect(judge({})).toEqual({ score: 1, reasons: [], unusable: false });
  });

  it.each([
    ['silence', { silentRatio: 1, rms: 0 }, true],
    ['low-level', { rms: 1e-5 }, true],
    ['clipping', { clippedRatio: 0.3 }, true],
    ['non-finite', { nonFiniteRatio: 0.1 }, true],
    ['short', { filledRatio: 0.2 }, true],
    ['noise', { spectralFlatness: 0.9 }, false],
    ['no-rhythm', { periodicity: 0.02 }, false],
  ] as const)('names %s, alone', (reason, change, unusable) => {
    const quality = judge(change);
    expect(quality.reasons).toEqual([reason]);
    expect(quality.unusable).toBe(unusable);
    expect(quality.score).toBeLessThan(0.5);
  });

  it('lets `artifact` pass what merely does not sound like a heart, and nothing pass what is unusable', () => {
    const noise = judge({ spectralFlatness: 0.9 });
    expect(passesGate(noise, 'artifact')).toBe(true);
    expect(passesGate(noise, 'normal')).toBe(false);
    expect(passesGate(judge({ silentRatio: 1 }), 'artifact')).toBe(false);
    expect(passesGate(judge({}), 'normal')).toBe(true);
  });

  it('always scores between 0 and 1, and a low score always has a reason or several mild ones', () => {
    const unit = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(unit, unit, unit, unit, unit, unit, (rms, clippedRatio, flat, periodicity, silentRatio, filledRatio) => {
        const q = judge({ rms, clippedRatio, spectralFlatness: flat, periodicity, silentRatio, filledRatio });
        expect(q.score).toBeGreaterThanOrEqual(0);
        expect(q.score).toBeLessThanOrEqual(1);
        if (q.score < 0.5 ** 7) expect(q.reasons.length).toBeGreaterThan(0);
        if (q.unusable) expect(q.score).toBeLessThanOrEqual(defaultQualityRules.minScore);
      }),
    );
  });
});
