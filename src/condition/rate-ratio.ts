/** Exact conversion between sample counters of two rates: integers only, so that nothing drifts over hours. */
import { invalidRate } from './condition-error.js';

/** toHz / fromHz = up / down in lowest terms; rates count to the thousandth of a hertz. */
export interface RateRatio {
  up: number;
  down: number;
}

/** Throws CONDITION_RATE_INVALID. */
export function rateRatio(fromHz: number, toHz: number): RateRatio {
  const [from, to] = [thousandths('the source rate', fromHz), thousandths('the model rate', toHz)];
  const divisor = greatestCommonDivisor(from, to);
  return { up: to / divisor, down: from / divisor };
}

/** Index of the first target sample at or after source sample `index`: ceil(index · up / down). */
export function toTargetIndex(index: number, { up, down }: RateRatio): number {
  return Number((BigInt(index) * BigInt(up) + BigInt(down) - 1n) / BigInt(down));
}

/** Position of target sample `target` after source sample `origin`, in source samples: whole + numerator / up. */
export function sourcePosition(target: number, origin: number, { up, down }: RateRatio): { whole: number; numerator: number } {
  const position = BigInt(target) * BigInt(down) - BigInt(origin) * BigInt(up);
  return { whole: Number(position / BigInt(up)), numerator: Number(position % BigInt(up)) };
}

function thousandths(name: string, hz: number): number {
  if (!(hz >= 1 && hz <= 1e7)) throw invalidRate(name, hz);
  return Math.round(hz * 1000);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
