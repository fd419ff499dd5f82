/** Checks of training options that all presets share. */
import { StageError } from '../common/stage-error.js';

/** The value, if it is a whole number of at least `least`. Throws TRAINING_OPTION_INVALID. */
export function whole(name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw invalidOption(name, value, `a whole number of at least ${least}`);
}

/** TRAINING_OPTION_INVALID, naming the value and what is allowed. */
export function invalidOption(name: string, value: unknown, allowed: string): StageError {
  return new StageError({ code: 'TRAINING_OPTION_INVALID', stage: 'training', message: `${name} is ${String(value)}, it must be ${allowed}`, remedy: 'See `stethostream train --help`.' });
}
