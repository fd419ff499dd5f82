/** How figures are written in cards, reports and messages. */
import type { Interval } from './bootstrap.js';

/** `.823`; `–` where there is no figure. NaN that went through JSON is null. */
export function figure(value: number | null | undefined): string {
  return typeof value === 'number' && Number.isFinite(value) ? value.toFixed(3).replace(/^(-?)0\./, '$1.') : '–';
}

/** `.823 [.781, .862]`. */
export function interval(i: Interval | null | undefined): string {
  return i === null || i === undefined || !Number.isFinite(i.value ?? NaN) ? '–' : `${figure(i.value)} [${figure(i.low)}, ${figure(i.high)}]`;
}

/** `1.2`, of bytes. */
export function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(1);
}

/** Names of the floors for people. */
export const FLOOR_TITLES: Readonly<Record<string, string>> = {
  majority: 'majority',
  length: 'clip length alone',
  meanSpectrum: 'mean spectrum, logistic regression',
};
