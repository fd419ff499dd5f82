/** Splits of recordings into training and validation: by group (the honest default) or at random (as the article did). */
import { groupBy } from '../common/group-by.js';
import { StageError } from '../common/stage-error.js';
import { Random } from './random.js';

/** What a split needs to know of an item. */
export interface SplitItem {
  /** Items of one group never part. */
  group: string;
  /** What the split balances, e.g. the label, or site and label. */
  stratum: string;
}

/** Indices of one division. */
export interface Split {
  training: number[];
  validation: number[];
}

/**
 * Stratified k-fold over groups: each group goes, largest first, to the fold where the strata then are spread most
 * evenly. Deterministic for a seed. Throws TRAINING_TOO_FEW_GROUPS.
 */
export function groupKFold(items: readonly SplitItem[], folds: number, seed: number): Split[] {
  const groups = groupItems(items);
  if (groups.length < folds) {
    throw new StageError({
      code: 'TRAINING_TOO_FEW_GROUPS',
      stage: 'training',
      message: `${groups.length} subject(s) can't be split into ${folds} folds`,
      remedy: 'Add recordings of more subjects, fill the subject column, or ask for fewer folds.',
    });
  }
  const foldOf = assignGroups(items, groups, new Array<number>(folds).fill(1 / folds), seed);
  return Array.from({ length: folds }, (_, fold) => divide(items.length, (index) => foldOf[index] === fold));
}

/** One split with about `validationShare` of every stratum held out, groups kept whole. */
export function groupHoldout(items: readonly SplitItem[], validationShare: number, seed: number): Split {
  const foldOf = assignGroups(items, groupItems(items), [1 - validationShare, validationShare], seed);
  return divide(items.length, (index) => foldOf[index] === 1);
}

/** The article's split: recordings at random, whoever they come from. Leaks subjects; results are too good. */
export function randomHoldout(count: number, validationShare: number, seed: number): Split {
  const order = new Random(seed, 0x51).shuffle(Array.from({ length: count }, (_, i) => i));
  const held = new Set(order.slice(0, Math.round(count * validationShare)));
  return divide(count, (index) => held.has(index));
}

function divide(count: number, isValidation: (index: number) => boolean): Split {
  const split: Split = { training: [], validation: [] };
  for (let index = 0; index < count; index++) (isValidation(index) ? split.validation : split.training).push(index);
  return split;
}

function groupItems(items: readonly SplitItem[]): number[][] {
  return groupBy([...items.keys()], (index) => items[index]?.group ?? '');
}

/** Fold of every item; `shares` is the part of each stratum that every fold should get. */
function assignGroups(items: readonly SplitItem[], groups: number[][], shares: readonly number[], seed: number): number[] {
  const strata = [...new Set(items.map((item) => item.stratum))].sort();
  const stratumOf = items.map((item) => strata.indexOf(item.stratum));
  const totals = new Float64Array(strata.length);
  stratumOf.forEach((stratum) => (totals[stratum] = (totals[stratum] ?? 0) + 1));
  const filled = shares.map(() => new Float64Array(strata.length));
  const foldOf = new Array<number>(items.length).fill(0);
  // A stable sort keeps the shuffled order among groups of one size.
  const ordered = new Random(seed, 0x5eed).shuffle([...groups]).sort((a, b) => b.length - a.length);
  for (const group of ordered) {
    const fold = emptiestFold(group, stratumOf, filled, shares, totals);
    for (const index of group) {
      foldOf[index] = fold;
      const counts = filled[fold] as Float64Array;
      counts[stratumOf[index] ?? 0] = (counts[stratumOf[index] ?? 0] ?? 0) + 1;
    }
  }
  return foldOf;
}

/** The fold whose filling, relative to what it should hold, is furthest behind over the group's strata. */
function emptiestFold(group: number[], stratumOf: number[], filled: Float64Array[], shares: readonly number[], totals: Float64Array): number {
  let best = 0;
  let bestLack = -Infinity;
  filled.forEach((counts, fold) => {
    let lack = 0;
    for (const index of group) {
      const stratum = stratumOf[index] ?? 0;
      const wanted = (shares[fold] ?? 0) * (totals[stratum] ?? 0);
      // What is still missing, as a part of the whole stratum: rare strata weigh as much as common ones.
      lack += (wanted - (counts[stratum] ?? 0)) / (totals[stratum] ?? 1);
    }
    if (lack > bestLack + 1e-12) {
      bestLack = lack;
      best = fold;
    }
  });
  return best;
}
