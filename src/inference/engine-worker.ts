/**
 * Worker thread that owns the engine: `run` blocks its thread, so it must not be the main one. Loads and verifies the
 * package, reproduces the golden output or refuses, then answers run requests strictly in order.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { toStageError } from '../common/stage-error.js';
import { loadModelPackage } from './model-package.js';
import { selectEngine } from './select-engine.js';
import type { Engine } from './types.js';
import { packError, type EngineWorkerData, type FromWorker, type ToWorker } from './worker-messages.js';

if (parentPort === null) throw new Error('engine-worker must be started as a worker thread');
const port = parentPort;

const send = (message: FromWorker, transfer: Float32Array[] = []) => port.postMessage(message, transfer.map(({ buffer }) => buffer as ArrayBuffer));

async function start({ folder, engine: choice, options }: EngineWorkerData): Promise<void> {
  let engine: Engine;
  try {
    const selected = await selectEngine(choice, await loadModelPackage(folder), options);
    engine = selected.engine;
    send({ kind: 'ready', info: engine.info, attempts: selected.attempts, goldenDifference: selected.goldenDifference });
  } catch (error) {
    send({ kind: 'refused', error: packError(toStageError(error, { code: 'INFERENCE_ENGINE_UNAVAILABLE', stage: 'inference', remedy: 'Run `stethostream doctor`.' })) });
    port.close();
    return;
  }
  serve(engine);
}

function serve(engine: Engine): void {
  // A GPU engine's run is asynchronous: the chain keeps requests in order all the same.
  let previous: Promise<void> = Promise.resolve();
  port.on('message', (message: ToWorker) => {
    previous = previous.then(() => (message.kind === 'run' ? answer(engine, message) : close(engine)));
  });
}

async function answer(engine: Engine, { id, batch, count }: Extract<ToWorker, { kind: 'run' }>): Promise<void> {
  const startMs = performance.now();
  try {
    const probabilities = await engine.run(batch, count);
    send({ kind: 'result', id, probabilities, runMs: performance.now() - startMs, batch }, [probabilities, batch]);
  } catch (error) {
    const known = toStageError(error, { code: 'INFERENCE_RUN_FAILED', stage: 'inference', remedy: 'Try another engine.', retryable: true });
    send({ kind: 'run-failed', id, error: packError(known), batch }, [batch]);
  }
}

async function close(engine: Engine): Promise<void> {
  await engine.close();
  send({ kind: 'closed' });
  port.close();
}

await start(workerData as EngineWorkerData);
