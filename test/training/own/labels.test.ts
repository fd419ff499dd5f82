import { describe, expect, it } from 'vitest';
import { makeRecording } from '../../../src/training/manifest-csv.js';
import { ownLabels, withOwnSets } from '../../../src/training/own/labels.js';
import { isPositive } from '../../../src/training/summary.js';

const of = (...labels: string[]) => labels.map((label, i) => makeRecording({ file: `${i}.wav`, dataset: 'd', label, sublabel: '', subject: String(i), site: '' }, '/', { anyLabel: true }));

describe('own labels', () => {
  it('normal comes first and the rest is positive', () => {
    const recordings = of('MVP', 'AS', 'N', 'AS');
    const { vocabulary, normal } = ownLabels(recordings, 'd', false);
    expect(vocabulary).toMatchObject({ labels: ['N', 'AS', 'MVP'], normal: 1, abnormal: 6, contrast: 'all other labels against N' });
    expect(normal).toBe('N');
    const own = withOwnSets(recordings, vocabulary);
    expect(own.map((r) => r.set)).toEqual([4, 2, 1, 2]);
    expect(own.map((r) => isPositive(r.set, vocabulary))).toEqual([true, true, false, true]);
  });

  it('many labels have sets of their own', () => {
    const names = Array.from({ length: 30 }, (_, i) => `label${String(i).padStart(2, '0')}`);
    const sets = withOwnSets(of(...names), ownLabels(of(...names), 'd', false).vocabulary).map((r) => r.set);
    expect(new Set(sets).size).toBe(30);
    expect(Math.min(...sets)).toBeGreaterThan(0);
    expect(() => ownLabels(of(...names, 'one more'), 'd', false)).toThrow(expect.objectContaining({ code: 'TRAINING_LABELS_TOO_MANY' }));
  });

  it('several labels without a normal one have no contrast', () => {
    const { vocabulary, normal } = ownLabels(of('a', 'b', 'c'), 'd', false);
    expect(normal).toBeNull();
    expect([1, 2, 4].map((set) => isPositive(set, vocabulary))).toEqual([null, null, null]);
    expect(() => ownLabels(of('a', 'b', 'c'), 'd', true)).toThrow(expect.objectContaining({ code: 'TRAINING_OPTION_INVALID' }));
  });

  it('binary: everything but normal is abnormal', () => {
    const recordings = of('normal', 'AS+MR', 'MS');
    const { vocabulary } = ownLabels(recordings, 'd', true);
    expect(vocabulary.labels).toEqual(['normal', 'abnormal']);
    expect(withOwnSets(recordings, vocabulary).map((r) => r.set)).toEqual([1, 2, 2]);
  });
});
