/**
 * Main-thread side of the engine's worker: starts it, sends batches, and when it dies restarts it with back-off.
 * Batches in flight at its death are sent again; the one that was being run only once, since it may be the cause.
 */
import { Worker } from 'node:worker_threads';
import { Subject, type Observable } from 'rxjs';
import { builtModule } from '../common/paths.js';
import { StageError, toStageError } from '../common/stage-error.js';
import { inferenceError } from './inference-error.js';
import type { EngineAttempt, EngineChoice, EngineOptions } from './select-engine.js';
import type { EngineInfo } from './types.js';
import type { EngineWorkerData, FromWorker, ToWorker } from './worker-messages.js';

export interface EngineWorkerOptions extends EngineOptions {
  /** Folder of the model package. */
  folder: string;
  /** Default `auto`. */
  engine?: EngineChoice;
  /** Longest time from start to ready, ms; default 120,000 (a GPU may compile shaders). */
  startTimeoutMs?: number;
  /** Longest time a worker may take to answer a batch, ms; then it counts as dead. Default 60,000. */
  runTimeoutMs?: number;
  /** First wait before a restart, ms; doubles up to 10 s. Default 100. */
  restartDelayMs?: number;
  /** Deaths in a row, without a single answer between them, after which it is given up. Default 5. */
  maxDeaths?: number;
  /** JavaScript file of the worker; default the built engine-worker. */
  entry?: string;
}

/** What a worker says once it serves. */
export interface EngineReady {
  info: EngineInfo;
  /** What was tried, and why; the last one serves. */
  attempts: EngineAttempt[];
  /** Largest difference from the golden probabilities. */
  goldenDifference: number;
}

export interface BatchResult {
  /** count × labels, row-major. */
  probabilities: Float32Array;
  /** Time of the engine's run, measured in the worker, ms. */
  runMs: number;
}

/** Changes of the worker's state, for status and logs. */
export type EngineEvent =
  | { kind: 'ready'; ready: EngineReady; restarts: number }
  /** The engine refused or failed one batch and goes on. */
  | { kind: 'run-failed'; error: StageError }
  | { kind: 'died'; error: StageError; restartInMs: number }
  /** Given up: every run is refused from now on. */
  | { kind: 'failed'; error: StageError };

interface Job {
  id: number;
  batch: Float32Array;
  count: number;
  /** Deaths of a worker while this one was being run. */
  deaths: number;
  resolve(result: BatchResult): void;
  reject(error: StageError): void;
}

type State = 'new' | 'starting' | 'ready' | 'waiting' | 'failed' | 'closed';

const MAX_RESTART_DELAY_MS = 10_000;

/** A batch that is being run is waited for so long when closing. */
const CLOSE_LIMIT_MS = 5000;

export class EngineWorker {
  private readonly options: Required<Pick<EngineWorkerOptions, 'startTimeoutMs' | 'runTimeoutMs' | 'restartDelayMs' | 'maxDeaths'>> & EngineWorkerOptions;
  private readonly event = new Subject<EngineEvent>();
  /** In the order sent; the first one is being run. */
  private readonly jobs = new Map<number, Job>();
  /** Transfer buffers that came back. */
  private readonly spare: Float32Array[] = [];
  private state: State = 'new';
  private worker: Worker | undefined;
  private watchdog: NodeJS.Timeout | undefined;
  private deathsInARow = 0;
  private restarts = 0;
  private nextId = 0;
  private failure: StageError | undefined;

  readonly events$: Observable<EngineEvent> = this.event.asObservable();

  constructor(options: EngineWorkerOptions) {
    this.options = { startTimeoutMs: 120_000, runTimeoutMs: 60_000, restartDelayMs: 100, maxDeaths: 5, ...options };
  }

  /**
   * Starts the worker and waits until it serves.
   * @throws StageError of the package or engine (hash, golden …), INFERENCE_WORKER_START_TIMEOUT or INFERENCE_WORKER_DIED.
   */
  async start(): Promise<EngineReady> {
    if (this.state !== 'new') throw new Error(`an EngineWorker starts once; this one is ${this.state}`);
    try {
      return await this.spawn();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /**
   * Runs one batch.
   * @param batch count × nMels × windowFrames values; copied before this returns, and read again should the worker die:
   * leave it unchanged until the promise settles.
   * @throws StageError INFERENCE_BATCH_INVALID, INFERENCE_RUN_FAILED; INFERENCE_WORKER_DIED when two workers died of it;
   * INFERENCE_WORKER_FAILED when workers keep dying; INFERENCE_CLOSED.
   */
  run(batch: Float32Array, count: number): Promise<BatchResult> {
    return new Promise((resolve, reject) => {
      const refusal = this.refusal();
      if (refusal !== undefined) return reject(refusal);
      const job: Job = { id: this.nextId++, batch, count, deaths: 0, resolve, reject };
      this.jobs.set(job.id, job);
      if (this.state === 'ready') this.send(job);
    });
  }

  /** Stops the worker; batches in flight are rejected with INFERENCE_CLOSED. Safe to call twice. */
  async close(): Promise<void> {
    const { worker } = this;
    this.state = 'closed';
    this.worker = undefined;
    clearTimeout(this.watchdog);
    this.rejectAll(closedError());
    this.event.complete();
    if (worker === undefined) return;
    await end(worker, CLOSE_LIMIT_MS);
  }

  private spawn(): Promise<EngineReady> {
    this.state = 'starting';
    const { folder, engine = 'auto', threads = 0, spinning = false, tensorFlowLoader, entry, startTimeoutMs } = this.options;
    const workerData: EngineWorkerData = { folder, engine, options: { threads, spinning, ...(tensorFlowLoader === undefined ? {} : { tensorFlowLoader }) } };
    const worker = new Worker(entry ?? builtModule('inference/engine-worker'), { workerData, name: 'engine' });
    this.worker = worker;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => fail(inferenceError('INFERENCE_WORKER_START_TIMEOUT', `the engine was not ready within ${startTimeoutMs} ms`, 'Try another engine, or run `stethostream doctor`.', { retryable: true })), startTimeoutMs);
      const fail = (error: StageError) => {
        clearTimeout(timer);
        reject(error);
        this.onDeath(worker, error);
      };
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') {
          clearTimeout(timer);
          this.onReady(worker, message);
          resolve(message);
        } else if (message.kind === 'refused') fail(new StageError(message.error));
        else this.onAnswer(worker, message);
      });
      worker.on('error', (cause: unknown) => fail(diedError(cause instanceof Error ? cause.message : String(cause), cause)));
      worker.on('exit', (code) => fail(diedError(`exit code ${code}`)));
    });
  }

  private onReady(worker: Worker, { info, attempts, goldenDifference }: EngineReady): void {
    if (this.worker !== worker) return;
    this.state = 'ready';
    this.event.next({ kind: 'ready', ready: { info, attempts, goldenDifference }, restarts: this.restarts });
    for (const job of this.jobs.values()) this.send(job);
  }

  private onAnswer(worker: Worker, message: FromWorker): void {
    if (this.worker !== worker || (message.kind !== 'result' && message.kind !== 'run-failed')) return;
    const job = this.jobs.get(message.id);
    if (job === undefined) return;
    this.deathsInARow = 0;
    this.jobs.delete(message.id);
    this.spare.push(message.batch);
    this.watch();
    if (message.kind === 'result') job.resolve({ probabilities: message.probabilities, runMs: message.runMs });
    else this.reportFailure(job, new StageError(message.error));
  }

  private reportFailure(job: Job, error: StageError): void {
    this.event.next({ kind: 'run-failed', error });
    job.reject(error);
  }

  private onDeath(worker: Worker, error: StageError): void {
    if (this.worker !== worker) return;
    const neverServed = this.state === 'starting' && this.restarts === 0;
    this.worker = undefined;
    clearTimeout(this.watchdog);
    worker.unref();
    void end(worker, this.options.runTimeoutMs);
    // start() reports a first start that fails: nothing was served yet, so nothing is restarted.
    if (neverServed) return;
    this.blameFirstJob(error);
    if (++this.deathsInARow >= this.options.maxDeaths) return this.giveUp(error);
    const restartInMs = Math.min(MAX_RESTART_DELAY_MS, this.options.restartDelayMs * 2 ** (this.deathsInARow - 1));
    this.state = 'waiting';
    this.event.next({ kind: 'died', error, restartInMs });
    this.watchdog = setTimeout(() => this.restart(), restartInMs);
  }

  private restart(): void {
    if (this.state !== 'waiting') return;
    this.restarts++;
    // A failure has been handled in onDeath by the time the promise rejects.
    this.spawn().catch(() => undefined);
  }

  /** The first job was the one being run; dead twice is out. */
  private blameFirstJob(error: StageError): void {
    const [first] = this.jobs.values();
    if (first === undefined || this.state !== 'ready' || ++first.deaths < 2) return;
    this.jobs.delete(first.id);
    first.reject(error);
  }

  private giveUp(cause: StageError): void {
    this.state = 'failed';
    this.failure = inferenceError('INFERENCE_WORKER_FAILED', `the engine died ${this.deathsInARow} times in a row, last: ${cause.message}`, 'Restart the station with another engine (`--engine onnx`) or model; the log says what happened.', { cause });
    this.rejectAll(this.failure);
    this.event.next({ kind: 'failed', error: this.failure });
  }

  private send({ id, batch, count }: Job): void {
    const index = this.spare.findIndex(({ length }) => length === batch.length);
    const [copy = new Float32Array(batch.length)] = index >= 0 ? this.spare.splice(index, 1) : [];
    copy.set(batch);
    post(this.worker!, { kind: 'run', id, batch: copy, count }, [copy.buffer as ArrayBuffer]);
    // Odd batch sizes would otherwise pile up buffers that nobody asks for again.
    if (this.spare.length > 4) this.spare.shift();
    if (this.jobs.size === 1) this.watch();
  }

  /** Times the job that is now being run. */
  private watch(): void {
    clearTimeout(this.watchdog);
    const { worker } = this;
    if (this.jobs.size === 0 || worker === undefined) return;
    const { runTimeoutMs } = this.options;
    this.watchdog = setTimeout(() => this.onDeath(worker, diedError(`no answer within ${runTimeoutMs} ms`)), runTimeoutMs);
  }

  private refusal(): StageError | undefined {
    if (this.state === 'closed') return closedError();
    if (this.state === 'new') return inferenceError('INFERENCE_ENGINE_NOT_LOADED', 'the engine worker is not started', 'Call start() first.');
    return this.failure;
  }

  private rejectAll(error: StageError): void {
    const jobs = [...this.jobs.values()];
    this.jobs.clear();
    for (const job of jobs) job.reject(error);
  }
}

function post(worker: Worker, message: ToWorker, transfer: ArrayBuffer[] = []): void {
  worker.postMessage(message, transfer);
}

/**
 * Ends a worker, if it has not died already. To end a thread by force while ONNX Runtime computes on it can end the whole
 * process (seen on Node 24), so it is asked first, which it hears when the computation ends, and then releases its native
 * memory in order; by force only when it has not ended within `limitMs`.
 */
async function end(worker: Worker, limitMs: number): Promise<void> {
  await exitOf(worker, () => post(worker, { kind: 'close' }), limitMs);
  await worker.terminate();
}

/** Resolves when the worker has exited after `ask`, or after `limitMs`. */
function exitOf(worker: Worker, ask: () => void, limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, limitMs).unref();
    worker.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    ask();
  });
}

function diedError(reason: string, cause?: unknown): StageError {
  const known = toStageError(cause ?? reason, { code: 'INFERENCE_WORKER_DIED', stage: 'inference' });
  const remedy = 'Nothing if it happens once: the engine restarts by itself. If it repeats, try another engine.';
  return inferenceError('INFERENCE_WORKER_DIED', `the engine's worker died: ${reason}`, remedy, { retryable: true, cause: known });
}

function closedError(): StageError {
  return inferenceError('INFERENCE_CLOSED', 'inference has been closed', 'Start it again.');
}
