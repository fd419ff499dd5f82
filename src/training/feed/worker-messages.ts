/** What the calling thread and the workers of training say to each other. */
import type { StageErrorDetails } from '../../common/stage-error.js';

/** A request; `id` comes back with its answer. */
export interface ToWorker<Request> {
  id: number;
  request: Request;
}

export type FromWorker<Answer> =
  /** Set up, from now on a death is the fault of what was asked. */
  | { kind: 'ready' }
  | { kind: 'answer'; id: number; answer: Answer }
  | { kind: 'failed'; id: number; error: StageErrorDetails };
