/**
 * The one error type that crosses stage boundaries.
 *
 * Every code is documented in docs/errors.md. A stage that meets bad input throws (or emits) one of these; the station
 * turns it into an `error` message for subscribers and, when `retryable`, restarts the source with back-off.
 */

/** The stage that raised an error; `app` covers command line and configuration. */
export type Stage =
  | 'capture'
  | 'condition'
  | 'features'
  | 'inference'
  | 'labels'
  | 'serve'
  | 'training'
  | 'app';

/** What a StageError is made of. */
export interface StageErrorDetails {
  /** Stable upper-snake code, e.g. `CAPTURE_DEVICE_NOT_FOUND`. Prefix = stage. */
  code: string;
  stage: Stage;
  /** Says what happened, with the offending value and the limit it broke. */
  message: string;
  /** What the user can do about it, in one sentence. */
  remedy?: string;
  /** Stream concerned, where there is one. */
  streamId?: string;
  /** True when trying again later may succeed (device unplugged, queue full…). */
  retryable?: boolean;
  cause?: unknown;
}

export class StageError extends Error {
  readonly code: string;
  readonly stage: Stage;
  readonly remedy: string;
  readonly streamId: string | undefined;
  readonly retryable: boolean;

  constructor(details: StageErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'StageError';
    this.code = details.code;
    this.stage = details.stage;
    this.remedy = details.remedy ?? '';
    this.streamId = details.streamId;
    this.retryable = details.retryable ?? false;
  }
}

/** Wraps anything thrown as a StageError; a StageError passes through (gaining the streamId if it lacks one). */
export function toStageError(thrown: unknown, fallback: Omit<StageErrorDetails, 'message'> & { message?: string }): StageError {
  if (thrown instanceof StageError) {
    if (thrown.streamId !== undefined || fallback.streamId === undefined) return thrown;
    return new StageError({ ...pick(thrown), streamId: fallback.streamId, cause: thrown });
  }
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new StageError({ ...fallback, message: fallback.message ?? text, cause: thrown });
}

function pick(error: StageError): StageErrorDetails {
  const { code, stage, message, remedy, retryable } = error;
  return { code, stage, message, remedy, retryable };
}
