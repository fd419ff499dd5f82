/** Confidence intervals by resampling subjects: recordings of one subject aren't independent. */
import { groupBy } from '../common/group-by.js';
import { Random } from './random.js';

/** A figure with the bounds of its 95 % interval. */
export interface Interval {
  value: number;
  low: number;
  high: number;
}

/**
 * Percentile bootstrap: groups are drawn with replacement, all items of a drawn group count each time.
 *
 * @param statistic value over item indices (repeats included); resamples where it is NaN (a class missing) are left out.
 */
export function bootstrapByGroup(groups: readonly string[], statistic: (items: readonly number[]) => number, seed: number, resamples = 1000): Interval {
  const lists = groupBy([...groups.keys()], (index) => groups[index] ?? '');
  const random = new Random(seed, 0xb007);
  const values: number[] = [];
  for (let i = 0; i < resamples; i++) {
    const drawn = lists.flatMap(() => lists[random.integer(lists.length)] ?? []);
    const value = statistic(drawn);
    if (!Number.isNaN(value)) values.push(value);
  }
  values.sort((a, b) => a - b);
  return { value: statistic(groups.map((_, index) => index)), low: quantile(values, 0.025), high: quantile(values, 0.975) };
}

/** Linear-interpolated quantile of sorted values (numpy's default); NaN for none. */
export function quantile(sorted: readonly number[], q: number): number {
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below] ?? NaN;
  return low + (position - below) * ((sorted[below + 1] ?? low) - low);
}
