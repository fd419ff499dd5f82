import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/training/random.js';
import { groupHoldout, groupKFold, randomHoldout, type SplitItem } from '../../src/training/splits.js';

/** Like PASCAL B: rare class, subjects with several recordings and labels. */
function population(seed: number, subjects: number): SplitItem[] {
  const random = new Random(seed);
  return Array.from({ length: subjects }, (_, subject) =>
    Array.from({ length: 1 + random.integer(4) }, () => ({
      group: `s${subject}`,
      stratum: random.chance(0.7) ? 'normal' : random.chance(0.7) ? 'murmur' : 'extrasystole',
    })),
  ).flat();
}

describe('group k-fold', () => {
  it('never lets a subject cross, and validates every item once (property)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 8, max: 60 }), fc.integer({ min: 2, max: 6 }), (seed, subjects, folds) => {
        const items = population(seed, subjects);
        const splits = groupKFold(items, folds, seed);
        expect(splits.flatMap((split) => split.validation).sort((a, b) => a - b)).toEqual(items.map((_, i) => i));
        for (const split of splits) {
          const training = new Set(split.training.map((i) => items[i]?.group));
          expect(split.validation.filter((i) => training.has(items[i]?.group))).toEqual([]);
          expect(split.training.length + split.validation.length).toBe(items.length);
        }
      }),
    );
  });

  it('spreads every label evenly', () => {
    const items = population(7, 150);
    for (const label of ['normal', 'murmur', 'extrasystole']) {
      const counts = groupKFold(items, 4, 1).map((split) => split.validation.filter((i) => items[i]?.stratum === label).length);
      const total = counts.reduce((a, b) => a + b, 0);
      for (const count of counts) expect(Math.abs(count - total / 4)).toBeLessThan(Math.max(3, total * 0.06));
    }
  });

  it('repeats for a seed and differs for another', () => {
    const items = population(7, 50);
    expect(groupKFold(items, 4, 1)).toEqual(groupKFold(items, 4, 1));
    expect(groupKFold(items, 4, 2)).not.toEqual(groupKFold(items, 4, 1));
  });

  it('refuses more folds than subjects', () => {
    expect(() => groupKFold(population(1, 3), 4, 1)).toThrow(expect.objectContaining({ code: 'TRAINING_TOO_FEW_GROUPS' }));
  });
});

describe('holdouts', () => {
  it('by group: about the asked share of each label, no subject on both sides', () => {
    const items = population(3, 200);
    const split = groupHoldout(items, 0.3, 5);
    const training = new Set(split.training.map((i) => items[i]?.group));
    expect(split.validation.some((i) => training.has(items[i]?.group))).toBe(false);
    expect(split.validation.length / items.length).toBeGreaterThan(0.26);
    expect(split.validation.length / items.length).toBeLessThan(0.34);
  });

  it('at random: the exact share, subjects leak as in the article', () => {
    const items = population(3, 60);
    const split = randomHoldout(items.length, 0.3, 5);
    expect(split.validation).toHaveLength(Math.round(items.length * 0.3));
    const training = new Set(split.training.map((i) => items[i]?.group));
    expect(split.validation.some((i) => training.has(items[i]?.group))).toBe(true);
  });
});
