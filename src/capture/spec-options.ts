/** The `?key=value&…` part of a source specification. */
import { captureError } from './capture-error.js';

/** Reads one value; throws an Error whose message says what is allowed. */
export type ReadValue<T> = (text: string) => T;

/** The keys that a source understands, each with its reader. */
export type OptionReaders = Record<string, ReadValue<unknown>>;

type Values<R extends OptionReaders> = { [K in keyof R]?: ReturnType<R[K]> };

/**
 * Splits `rest?key=value&…`. A `?` that is not followed by `key=` belongs to the name (paths and devices may hold one).
 */
export function splitOptions(text: string): { name: string; query: string } {
  const at = text.lastIndexOf('?');
  if (at < 0 || !/^[A-Za-z]+=/.test(text.slice(at + 1))) return { name: text, query: '' };
  return { name: text.slice(0, at), query: text.slice(at + 1) };
}

/** @throws StageError CAPTURE_SOURCE_SPEC_INVALID for unknown keys and bad values, naming the allowed ones. */
export function readOptions<R extends OptionReaders>(spec: string, query: string, readers: R): Values<R> {
  const values: Record<string, unknown> = {};
  for (const [key, value] of new URLSearchParams(query)) {
    const read = Object.hasOwn(readers, key) ? readers[key] : undefined;
    if (read === undefined) throw invalid(spec, `it has no option "${key}"`, `Options here: ${Object.keys(readers).join(', ')}.`);
    try {
      values[key] = read(value);
    } catch (error) {
      throw invalid(spec, `${key}=${value} is not possible`, `${key} is ${(error as Error).message}.`);
    }
  }
  return values as Values<R>;
}

export function invalid(spec: string, why: string, remedy: string) {
  return captureError('CAPTURE_SOURCE_SPEC_INVALID', { message: `source "${spec}": ${why}`, remedy });
}

export function numberBetween(low: number, high: number, unit = ''): ReadValue<number> {
  return (text) => {
    const value = text.trim() === '' ? NaN : Number(text);
    if (!(value >= low && value <= high)) throw new Error(`a number from ${low} to ${high}${unit === '' ? '' : ` ${unit}`}`);
    return value;
  };
}

export function integerBetween(low: number, high: number, unit = ''): ReadValue<number> {
  return (text) => {
    const value = numberBetween(low, high, unit)(text);
    if (!Number.isInteger(value)) throw new Error(`a whole number from ${low} to ${high}${unit === '' ? '' : ` ${unit}`}`);
    return value;
  };
}

export function oneOf<T extends string>(values: readonly T[]): ReadValue<T> {
  return (text) => {
    const found = values.find((value) => value === text);
    if (found === undefined) throw new Error(`one of ${values.join(', ')}`);
    return found;
  };
}

export const yesNo: ReadValue<boolean> = (text) => {
  if (['1', 'true', 'yes'].includes(text)) return true;
  if (['0', 'false', 'no'].includes(text)) return false;
  throw new Error('1 or 0');
};

/** A replay speed: a factor, or `max` for as fast as possible. */
export const speedValue: ReadValue<number> = (text) => {
  if (text === 'max' || text === 'Infinity') return Infinity;
  const value = text.trim() === '' ? NaN : Number(text);
  if (!(value >= 0.01 && value <= 1000)) throw new Error('a number from 0.01 to 1000, or max');
  return value;
};
