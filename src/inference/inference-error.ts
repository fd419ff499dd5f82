/** Codes of the inference stage's errors, and the one place that makes them. */
import { StageError } from '../common/stage-error.js';

/** All codes of this stage; meanings and remedies are in docs/errors.md. */
export type InferenceErrorCode =
  | 'INFERENCE_MODEL_NOT_FOUND'
  | 'INFERENCE_MODEL_AMBIGUOUS'
  | 'INFERENCE_MANIFEST_INVALID'
  | 'INFERENCE_FILE_MISSING'
  | 'INFERENCE_HASH_MISMATCH'
  | 'INFERENCE_GOLDEN_INVALID'
  | 'INFERENCE_GOLDEN_MISMATCH'
  | 'INFERENCE_WEIGHTS_INVALID'
  | 'INFERENCE_SAFETENSORS_INVALID'
  | 'INFERENCE_PACKAGE_EXISTS'
  | 'INFERENCE_MODEL_UNLOADABLE'
  | 'INFERENCE_MODEL_MISMATCH'
  | 'INFERENCE_ENGINE_UNKNOWN'
  | 'INFERENCE_ENGINE_UNAVAILABLE'
  | 'INFERENCE_ENGINE_NOT_LOADED'
  | 'INFERENCE_DEVICE_FELL_BACK'
  | 'INFERENCE_BATCH_INVALID'
  | 'INFERENCE_RUN_FAILED'
  | 'INFERENCE_WORKER_DIED'
  | 'INFERENCE_WORKER_START_TIMEOUT'
  | 'INFERENCE_WORKER_FAILED'
  | 'INFERENCE_CLOSED';

/** Makes a StageError of stage `inference`. */
export function inferenceError(
  code: InferenceErrorCode,
  message: string,
  remedy: string,
  more: { retryable?: boolean; cause?: unknown; streamId?: string } = {},
): StageError {
  return new StageError({ code, stage: 'inference', message, remedy, ...more });
}
