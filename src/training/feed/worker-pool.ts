/**
 * Worker threads that answer requests: each goes to the worker with the least to do, and waits in that worker's own
 * queue, so that a caller that blocks its thread (as TensorFlow does) does not starve the workers.
 *
 * A worker that dies, or gives no answer for so long that it must hang, is started again and gets its unanswered
 * requests once more; a request that two workers died of is refused. Plain worker_threads: a pool from a library gives
 * a dead worker's requests up, and keeps its queue on the calling thread.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { StageError } from '../../common/stage-error.js';
import { StallWatch } from './stall-watch.js';
import type { FromWorker, ToWorker } from './worker-messages.js';

export interface WorkerPoolOptions {
  /** JavaScript file of the worker; it calls serveRequests. */
  entry: string;
  /** At least 1. */
  workers: number;
  /** `workerData`: cloned into each worker, shared memory excepted. */
  data: unknown;
  /** For messages and the debugger, e.g. `batches`. */
  name: string;
  /** A worker that starts or works for so long without an answer counts as hung; default 120 000. */
  stallMs?: number;
  /** A worker has died or hung and is started again. */
  onRestart?: (error: StageError) => void;
}

interface Job<Request, Answer> {
  id: number;
  request: Request;
  /** Workers that died while this one was being worked on. */
  deaths: number;
  resolve(answer: Answer): void;
  reject(error: StageError): void;
}

/** A place for one worker at a time. */
interface Seat<Request, Answer> {
  /** Started with the first request, absent after a death with nothing left to do. */
  worker: Worker | undefined;
  ready: boolean;
  /** When it was started, got its present job, or had something to do again; on performance.now()'s clock. */
  sinceMs: number;
  /** In the order sent; the first one is being worked on. */
  jobs: Map<number, Job<Request, Answer>>;
}

/** Decoding the longest recording takes seconds, a batch a fraction of one. */
const DEFAULT_STALL_MS = 120_000;

/** Starts of a worker in a row that may fail before nothing is tried any more. */
const MAX_FAILED_STARTS = 2;

/**
 * Workers beside a thread that trains: one core is left to it, 1 at least, 2 at most. A batch takes about a hundredth of
 * a step's time, so that one worker keeps up even where TensorFlow takes both cores, and more than two would lie idle.
 */
export function defaultWorkers(cores = availableParallelism()): number {
  return Math.max(1, Math.min(2, cores - 1));
}

export class WorkerPool<Request, Answer extends object> {
  private readonly seats: Seat<Request, Answer>[];
  private readonly watch: StallWatch;
  private nextId = 0;
  private failedStarts = 0;
  /** Why every further request is refused. */
  private ended: StageError | undefined;

  constructor(private readonly options: WorkerPoolOptions) {
    this.seats = Array.from({ length: Math.max(1, options.workers) }, () => ({ worker: undefined, ready: false, sinceMs: 0, jobs: new Map<number, Job<Request, Answer>>() }));
    const { stallMs = DEFAULT_STALL_MS } = options;
    this.watch = new StallWatch(stallMs, (sinceMs) => this.endHung(sinceMs, stallMs));
  }

  /**
   * The answer to one request, which is copied now; typed arrays of the answer are handed over.
   * @throws StageError of the handler; TRAINING_WORKER_FAILED (the handler threw something else), TRAINING_WORKER_DIED
   * (two workers died of this request), TRAINING_WORKER_START (none starts), TRAINING_WORKERS_CLOSED.
   */
  run(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) return reject(this.ended);
      const seat = this.seats.reduce((least, other) => (other.jobs.size < least.jobs.size ? other : least));
      const job: Job<Request, Answer> = { id: this.nextId++, request, deaths: 0, resolve, reject };
      if (seat.jobs.size === 0) seat.sinceMs = performance.now();
      seat.jobs.set(job.id, job);
      this.watch.start();
      if (seat.worker === undefined) this.start(seat);
      else send(seat.worker, job);
    });
  }

  /** Ends all workers at once, whatever they do; unanswered requests are refused. Resolves when no thread is left. */
  async close(): Promise<void> {
    this.end(workerError('TRAINING_WORKERS_CLOSED', `the workers "${this.options.name}" have been closed`, 'Start the run again.'));
    const workers = this.seats.flatMap(({ worker }) => worker ?? []);
    for (const seat of this.seats) seat.worker = undefined;
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  /** A new worker for the seat, with all that is still to do there. */
  private start(seat: Seat<Request, Answer>): void {
    const { entry, data, name } = this.options;
    const worker = new Worker(entry, { workerData: data, name });
    seat.worker = worker;
    seat.ready = false;
    seat.sinceMs = performance.now();
    worker.on('message', (message: FromWorker<Answer>) => this.onMessage(seat, worker, message));
    worker.on('messageerror', (cause) => this.onDeath(seat, worker, cause.message));
    worker.on('error', (cause: unknown) => this.onDeath(seat, worker, cause instanceof Error ? cause.message : String(cause)));
    worker.on('exit', (code) => this.onDeath(seat, worker, `exit code ${code}`));
    for (const job of seat.jobs.values()) send(worker, job);
  }

  private onMessage(seat: Seat<Request, Answer>, worker: Worker, message: FromWorker<Answer>): void {
    if (seat.worker !== worker) return;
    seat.sinceMs = performance.now();
    if (message.kind === 'ready') {
      seat.ready = true;
      this.failedStarts = 0;
      return;
    }
    const job = seat.jobs.get(message.id);
    seat.jobs.delete(message.id);
    if (message.kind === 'answer') job?.resolve(message.answer);
    else job?.reject(new StageError(message.error));
  }

  private endHung(sinceMs: number, stallMs: number): void {
    for (const seat of this.seats) {
      if (seat.worker !== undefined && seat.jobs.size > 0 && seat.sinceMs < sinceMs) this.onDeath(seat, seat.worker, `no answer for ${stallMs / 1000} s`);
    }
  }

  private onDeath(seat: Seat<Request, Answer>, worker: Worker, reason: string): void {
    // An error is followed by an exit: the first of them counts.
    if (seat.worker !== worker) return;
    seat.worker = undefined;
    void worker.terminate();
    if (seat.ready) this.blameFirst(seat, reason);
    else if (++this.failedStarts >= MAX_FAILED_STARTS) return this.end(startError(this.options, reason));
    if (seat.jobs.size === 0) return;
    this.options.onRestart?.(diedError(this.options.name, reason));
    this.start(seat);
  }

  /** The first request was the one being worked on; two deaths and it is out. */
  private blameFirst(seat: Seat<Request, Answer>, reason: string): void {
    const [first] = seat.jobs.values();
    if (first === undefined || ++first.deaths < 2) return;
    seat.jobs.delete(first.id);
    first.reject(diedError(this.options.name, reason));
  }

  private end(error: StageError): void {
    this.watch.stop();
    this.ended ??= error;
    for (const { jobs } of this.seats) {
      for (const job of jobs.values()) job.reject(error);
      jobs.clear();
    }
  }
}

function send<Request, Answer>(worker: Worker, { id, request }: Job<Request, Answer>): void {
  worker.postMessage({ id, request } satisfies ToWorker<Request>);
}

function workerError(code: string, message: string, remedy: string): StageError {
  return new StageError({ code, stage: 'training', message, remedy });
}

function diedError(name: string, reason: string): StageError {
  return workerError('TRAINING_WORKER_DIED', `a worker thread ("${name}") died: ${reason}`, 'Give the same command again: the run goes on from its last checkpoint. If it repeats, free some memory.');
}

function startError({ name, entry }: WorkerPoolOptions, reason: string): StageError {
  return workerError('TRAINING_WORKER_START', `the worker threads "${name}" (${entry}) do not start: ${reason}`, 'Run `npm run build`; if that does not help, report it.');
}
