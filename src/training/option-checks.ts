/** Checks of training options that all presets share. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
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

/** Absolute path of a file of weights, null for none. Throws TRAINING_WEIGHTS_MISSING: known at the start of a run, not after decoding. */
export function weightsPath(file: string | undefined, remedy: string): string | null {
  if (file === undefined) return null;
  const path = resolve(file);
  if (existsSync(path)) return path;
  throw new StageError({ code: 'TRAINING_WEIGHTS_MISSING', stage: 'training', message: `${path} does not exist`, remedy });
}

/** Weight of the frame head's loss. */
export function headWeight(value: number): number {
  if (value >= 0 && value <= 10) return value;
  throw new StageError({
    code: 'TRAINING_OPTION_INVALID',
    stage: 'training',
    message: `frameHead is ${value}, it must lie between 0 (off) and 10`,
    remedy: 'Try 0.5; see docs/experiments.md for what it did.',
  });
}
