/** Shorthand for the StageErrors of this stage. */
import { StageError, type StageErrorDetails } from '../common/stage-error.js';

/** A StageError of stage `capture`. */
export function captureError(code: `CAPTURE_${string}`, details: Omit<StageErrorDetails, 'code' | 'stage'>): StageError {
  return new StageError({ code, stage: 'capture', ...details });
}
