/**
 * Gathers windows of all streams into batches for one engine.
 *
 * An idle engine gets what is there at once (unless maxQueueDelayMs asks it to wait), so a lone stream never waits. While
 * it is busy, windows gather; a full batch is sent ahead, so that the engine finds its next one ready. Streams take
 * turns. Per stream, results and drops come out in the order the windows went in.
 *
 * When the engine is too slow, the oldest window of the stream that has most waiting is dropped, counted, and told.
 */
import type { FeatureWindow } from '../features/types.js';
import type { DroppedWindow, InferenceItem } from './types.js';

/** Runs one batch; the batch is the callee's until the promise settles. */
export type RunBatch = (batch: Float32Array, count: number) => Promise<{ probabilities: Float32Array; runMs: number }>;

export interface BatcherOptions {
  /** Values of one window: nMels × windowFrames. */
  windowLength: number;
  /** Probabilities of one window. */
  labels: number;
  /** Most windows in one run; default 8. */
  maxBatchSize?: number;
  /** How long an idle engine waits for a batch to fill, counted from its oldest window, ms; default 0. */
  maxQueueDelayMs?: number;
  /** Sizes the engine runs best; the largest one that can be filled is taken. Default: any size. */
  preferredBatchSizes?: readonly number[];
  /** Windows a stream may have waiting (those being run not counted); default 8. Lossless streams have no limit. */
  maxQueuePerStream?: number;
  /** Windows all streams that may lose some may have waiting together; default 64. */
  maxQueue?: number;
  /** Batches sent to the engine before the first one comes back; default 2. */
  maxInFlight?: number;
  /** Monotonic clock in ms, for tests. */
  nowMs?: () => number;
}

/** Counts since the batcher was made. */
export interface BatcherStats {
  /** Windows with a result. */
  inferred: number;
  /** Windows dropped, by reason. */
  dropped: Record<string, number>;
  batches: number;
}

/** One stream's place in the batcher. */
export interface Lane {
  push(window: FeatureWindow): void;
  /** Resolves when every window pushed so far has come out. */
  flushed(): Promise<void>;
  /** Forgets what is waiting; nothing comes out any more. */
  close(): void;
}

/** A window on its way through; `item` once it is known. */
interface Slot {
  window: FeatureWindow;
  enqueuedMs: number;
  item: InferenceItem | undefined;
}

interface LaneState {
  emit(item: InferenceItem): void;
  lossless: boolean;
  /** Waiting for a batch. */
  queue: Slot[];
  /** All that has not come out yet, in order. */
  pending: Slot[];
  waiters: (() => void)[];
  closed: boolean;
}

export class Batcher {
  private readonly options: Required<BatcherOptions>;
  private readonly lanes = new Set<LaneState>();
  private readonly readyWaiters: (() => void)[] = [];
  /** Batch buffers not in use. */
  private readonly buffers: Float32Array[] = [];
  private inFlight = 0;
  private scheduled = false;
  private closed = false;
  private timer: NodeJS.Timeout | undefined;
  readonly stats: BatcherStats = { inferred: 0, dropped: {}, batches: 0 };

  constructor(
    private readonly runBatch: RunBatch,
    options: BatcherOptions,
  ) {
    this.options = {
      maxBatchSize: 8, maxQueueDelayMs: 0, preferredBatchSizes: [], maxQueuePerStream: 8, maxQueue: 64, maxInFlight: 2,
      nowMs: () => performance.now(), ...options,
    };
  }

  /** Windows waiting for a batch; those being run are not counted. */
  get queueLength(): number {
    return sum(this.lanes, ({ queue }) => queue.length);
  }

  /**
   * Adds a stream.
   * @param emit gets its results and drops, in order.
   * @param lossless nothing of it is dropped for lack of room: its source must await `ready()` before it goes on.
   */
  lane(emit: (item: InferenceItem) => void, { lossless = false } = {}): Lane {
    const state: LaneState = { emit, lossless, queue: [], pending: [], waiters: [], closed: false };
    this.lanes.add(state);
    return {
      push: (window) => this.push(state, window),
      flushed: () => (state.pending.length === 0 ? Promise.resolve() : new Promise((resolve) => state.waiters.push(resolve))),
      close: () => this.closeLane(state),
    };
  }

  /**
   * Resolves when there is room: at once while less than two full batches wait and no stream that may lose windows has
   * filled half of its queue. A source that can be held back awaits it before each chunk, so that nothing is dropped.
   */
  ready(): Promise<void> {
    if (this.hasRoom()) return Promise.resolve();
    return new Promise((resolve) => this.readyWaiters.push(resolve));
  }

  /** Drops all that waits (reason `closed`). Batches in flight still come out. */
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    for (const lane of this.lanes) while (lane.queue.length > 0) this.drop(lane, 'closed');
    this.wake();
  }

  private push(lane: LaneState, window: FeatureWindow): void {
    const slot: Slot = { window, enqueuedMs: this.options.nowMs(), item: undefined };
    lane.pending.push(slot);
    const obstacle = this.closed ? 'closed' : window.input.length !== this.options.windowLength ? 'invalid-window' : undefined;
    if (obstacle !== undefined) return this.settle(lane, slot, this.dropped(slot, obstacle));
    lane.queue.push(slot);
    this.makeRoom(lane);
    this.schedule();
  }

  private makeRoom(lane: LaneState): void {
    const { maxQueuePerStream, maxQueue } = this.options;
    if (lane.lossless) return;
    if (lane.queue.length > maxQueuePerStream) this.drop(lane, 'queue-full');
    const lossy = [...this.lanes].filter((other) => !other.lossless);
    if (sum(lossy, ({ queue }) => queue.length) > maxQueue) this.drop(mostBehind(lossy), 'queue-full');
  }

  /** Dispatch waits for the end of the current task, so that windows that arrive together run together. */
  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      this.dispatch();
    });
  }

  private dispatch(): void {
    clearTimeout(this.timer);
    for (let count = this.nextBatchSize(); count > 0; count = this.nextBatchSize()) this.send(this.take(count));
    this.waitForMore();
    this.wake();
  }

  /** Size of the batch to send now; 0 when none should go. */
  private nextBatchSize(): number {
    const { maxBatchSize, maxInFlight } = this.options;
    const waiting = this.queueLength;
    if (waiting === 0 || this.inFlight >= maxInFlight || this.closed) return 0;
    if (waiting >= maxBatchSize) return maxBatchSize;
    if (this.inFlight > 0 || this.remainingDelayMs() > 0) return 0;
    const preferred = this.options.preferredBatchSizes.filter((size) => size <= waiting && size <= maxBatchSize);
    return preferred.length > 0 ? Math.max(...preferred) : waiting;
  }

  /** How long the oldest waiting window may still wait for company. */
  private remainingDelayMs(): number {
    if (this.options.maxQueueDelayMs === 0) return 0;
    const heads = [...this.lanes].flatMap(({ queue }) => queue[0]?.enqueuedMs ?? []);
    return Math.min(...heads) + this.options.maxQueueDelayMs - this.options.nowMs();
  }

  private waitForMore(): void {
    if (this.inFlight > 0 || this.queueLength === 0 || this.closed) return;
    this.timer = setTimeout(() => this.dispatch(), Math.max(0, Math.ceil(this.remainingDelayMs())));
  }

  /** The next `count` windows: the oldest of each stream in turn. A stream that was served goes to the end. */
  private take(count: number): { lane: LaneState; slot: Slot }[] {
    const taken: { lane: LaneState; slot: Slot }[] = [];
    while (taken.length < count) {
      for (const lane of [...this.lanes]) {
        const slot = taken.length < count ? lane.queue.shift() : undefined;
        if (slot === undefined) continue;
        taken.push({ lane, slot });
        this.lanes.delete(lane);
        this.lanes.add(lane);
      }
    }
    return taken;
  }

  private send(members: { lane: LaneState; slot: Slot }[]): void {
    const { windowLength } = this.options;
    const buffer = this.buffers.pop() ?? new Float32Array(this.options.maxBatchSize * windowLength);
    members.forEach(({ slot }, i) => buffer.set(slot.window.input, i * windowLength));
    const sentMs = this.options.nowMs();
    this.inFlight++;
    this.stats.batches++;
    void this.runBatch(buffer.subarray(0, members.length * windowLength), members.length)
      .then(
        ({ probabilities, runMs }) => this.deliver(members, probabilities, runMs, sentMs),
        () => members.forEach(({ lane, slot }) => this.settle(lane, slot, this.dropped(slot, 'engine-failed'))),
      )
      .finally(() => {
        this.buffers.push(buffer);
        this.inFlight--;
        this.dispatch();
      });
  }

  private deliver(members: { lane: LaneState; slot: Slot }[], all: Float32Array, runMs: number, sentMs: number): void {
    const { labels } = this.options;
    members.forEach(({ lane, slot }, i) => {
      const probabilities = all.slice(i * labels, (i + 1) * labels);
      if (!probabilities.every(Number.isFinite) || probabilities.length !== labels) return this.settle(lane, slot, this.dropped(slot, 'not-finite'));
      this.stats.inferred++;
      this.settle(lane, slot, { kind: 'inferred', window: withoutInput(slot.window), probabilities, queueMs: sentMs - slot.enqueuedMs, runMs, batchSize: members.length });
    });
  }

  private drop(lane: LaneState, reason: string): void {
    const slot = lane.queue.shift();
    if (slot !== undefined) this.settle(lane, slot, this.dropped(slot, reason));
  }

  private dropped({ window }: Slot, reason: string): DroppedWindow {
    this.stats.dropped[reason] = (this.stats.dropped[reason] ?? 0) + 1;
    const { streamId, seq, startSample, endSample, sampleRateHz, capturedAtMs } = window;
    return { kind: 'dropped', streamId, seq, startSample, endSample, sampleRateHz, capturedAtMs, reason };
  }

  /** What became of one window; it comes out when all before it have. */
  private settle(lane: LaneState, slot: Slot, item: InferenceItem): void {
    slot.item = item;
    while (lane.pending[0]?.item !== undefined) {
      const { item: next } = lane.pending.shift()!;
      if (!lane.closed) lane.emit(next!);
    }
    if (lane.pending.length === 0) for (const wake of lane.waiters.splice(0)) wake();
  }

  private closeLane(lane: LaneState): void {
    lane.closed = true;
    lane.queue.length = 0;
    lane.pending.length = 0;
    for (const wake of lane.waiters.splice(0)) wake();
    this.lanes.delete(lane);
    this.wake();
  }

  private hasRoom(): boolean {
    const { maxBatchSize, maxQueuePerStream } = this.options;
    const lanes = [...this.lanes];
    const halfFull = lanes.some(({ lossless, queue }) => !lossless && queue.length >= Math.max(1, Math.floor(maxQueuePerStream / 2)));
    return this.closed || (this.queueLength < 2 * maxBatchSize && !halfFull);
  }

  private wake(): void {
    if (!this.hasRoom()) return;
    for (const resolve of this.readyWaiters.splice(0)) resolve();
  }
}

/** What labels need of a window; its input is not kept alive. */
function withoutInput(window: FeatureWindow): Omit<FeatureWindow, 'input'> {
  const rest: Omit<FeatureWindow, 'input'> & { input?: Float32Array } = { ...window };
  delete rest.input;
  return rest;
}

/** The lane with most waiting; among equals the one whose oldest window is oldest. */
function mostBehind(lanes: LaneState[]): LaneState {
  const age = ({ queue }: LaneState) => queue[0]?.enqueuedMs ?? Infinity;
  return lanes.reduce((worst, lane) => (lane.queue.length > worst.queue.length || (lane.queue.length === worst.queue.length && age(lane) < age(worst)) ? lane : worst));
}

function sum<T>(items: Iterable<T>, value: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += value(item);
  return total;
}
