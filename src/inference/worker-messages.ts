/** What the main thread and the engine's worker say to each other. Float32Arrays are transferred, never shared. */
import { StageError, type StageErrorDetails } from '../common/stage-error.js';
import type { EngineAttempt, EngineChoice, EngineOptions } from './select-engine.js';
import type { EngineInfo } from './types.js';

/** `workerData` of the worker. */
export interface EngineWorkerData {
  folder: string;
  engine: EngineChoice;
  options: EngineOptions;
}

export type ToWorker =
  /** `batch` comes back with the answer, for reuse. */
  { kind: 'run'; id: number; batch: Float32Array; count: number } | { kind: 'close' };

export type FromWorker =
  | { kind: 'ready'; info: EngineInfo; attempts: EngineAttempt[]; goldenDifference: number }
  /** The package or the engine will not do: nothing is served. */
  | { kind: 'refused'; error: StageErrorDetails }
  | { kind: 'result'; id: number; probabilities: Float32Array; runMs: number; batch: Float32Array }
  | { kind: 'run-failed'; id: number; error: StageErrorDetails; batch: Float32Array }
  | { kind: 'closed' };

/** An error as plain data; structured clone would strip its fields. */
export function packError({ code, stage, message, remedy, streamId, retryable }: StageError): StageErrorDetails {
  return { code, stage, message, remedy, retryable, ...(streamId === undefined ? {} : { streamId }) };
}
