/** The worker's side of a WorkerPool: answers requests strictly in their order, one at a time. */
import { parentPort } from 'node:worker_threads';
import { toStageError, type StageError, type StageErrorDetails } from '../../common/stage-error.js';
import type { FromWorker, ToWorker } from './worker-messages.js';

/**
 * Call once, when the worker is set up.
 * @param handle what it throws goes to whoever asked: a StageError as it is, anything else as TRAINING_WORKER_FAILED.
 */
export function serveRequests<Request, Answer extends object>(handle: (request: Request) => Answer | Promise<Answer>): void {
  if (parentPort === null) throw new Error('serveRequests needs a worker thread');
  const port = parentPort;
  const send = (message: FromWorker<Answer>, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  const answer = async ({ id, request }: ToWorker<Request>) => {
    try {
      const made = await handle(request);
      send({ kind: 'answer', id, answer: made }, buffersOf(made));
    } catch (error) {
      send({ kind: 'failed', id, error: packError(asStageError(error)) });
    }
  };
  // An asynchronous handler must not overtake itself: codecs are not re-entrant.
  let previous: Promise<void> = Promise.resolve();
  port.on('message', (message: ToWorker<Request>) => (previous = previous.then(() => answer(message))));
  send({ kind: 'ready' });
}

/** Buffers of an answer's typed arrays, each once: they are handed over, not copied. Shared memory stays where it is. */
function buffersOf(answer: object): ArrayBuffer[] {
  const buffers = Object.values(answer).flatMap((value) => (ArrayBuffer.isView(value) && value.buffer instanceof ArrayBuffer ? [value.buffer] : []));
  return [...new Set(buffers)];
}

function asStageError(error: unknown): StageError {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return toStageError(error, { code: 'TRAINING_WORKER_FAILED', stage: 'training', message, remedy: 'Report it: a defect.' });
}

/** As plain data: structured clone would strip an error's own fields. */
function packError({ code, stage, message, remedy, streamId, retryable }: StageError): StageErrorDetails {
  return { code, stage, message, remedy, retryable, ...(streamId === undefined ? {} : { streamId }) };
}
