/** Errors of the features stage. */
import { StageError } from '../common/stage-error.js';

/** A StageError saying which parameter is wrong, what it was and what is allowed. */
export function invalidParam(name: string, value: unknown, allowed: string): StageError {
  return new StageError({
    code: 'FEATURES_PARAM_INVALID',
    stage: 'features',
    message: `${name} is ${String(value)}; allowed: ${allowed}`,
    remedy: `Set ${name} to an allowed value in the model manifest or the preset.`,
  });
}

/** A StageError for PCM of the wrong length. */
export function wrongLength(what: string, actual: number, expected: number): StageError {
  return new StageError({
    code: 'FEATURES_LENGTH_MISMATCH',
    stage: 'features',
    message: `${what} has ${actual} values, expected ${expected}`,
    remedy: 'Pass a buffer of the stated length.',
  });
}
