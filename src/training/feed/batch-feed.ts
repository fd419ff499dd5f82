/**
 * Mini-batches made ahead of the trainer, in worker threads: augmentation and features run while TensorFlow computes.
 *
 * Batches are those of the sampler on the calling thread, bit by bit, and come in whatever order the trainer asks;
 * which worker makes one, and when, changes nothing. A run that goes on from step k asks for k first.
 */
import { builtModule } from '../../common/paths.js';
import { StageError } from '../../common/stage-error.js';
import type { FeatureParams } from '../../features/index.js';
import { createSampler, type Batch, type Clip, type SamplerSettings, type WindowSampler } from '../sampler.js';
import { shareClips } from './shared-clips.js';
import { WorkerPool, defaultWorkers } from './worker-pool.js';

export interface BatchFeedOptions {
  /** PCM in shared memory, as loadAudio's is, is read there by all workers; other PCM is copied once. */
  clips: readonly Clip[];
  params: FeatureParams;
  options: SamplerSettings;
  /** Worker threads; 0 = the calling thread, when it asks. Default: defaultWorkers(). */
  workers?: number;
  /** Batches at most that are asked for or lie ready; default 4. */
  ahead?: number;
  /** Steps of the stage: no batch from this number on is made ahead. Default: no end. */
  steps?: number;
  /** A worker has died and is started again. */
  onRestart?: (error: StageError) => void;
  /** JavaScript file of the worker; default the built batch-worker. */
  entry?: string;
}

export interface BatchFeed {
  /** Worker threads; 0 = the calling thread. */
  readonly workers: number;
  /** Probability of each cell of clips, as WindowSampler.shares. */
  readonly shares: WindowSampler['shares'];
  /**
   * Batch number `step`; the caller may keep or change it. Asking for k makes k + 1 and so on ahead; what lies ready
   * of other steps is dropped.
   * @throws StageError TRAINING_WORKER_FAILED, TRAINING_WORKER_DIED (a second worker died of the same batch),
   * TRAINING_WORKER_START, TRAINING_WORKERS_CLOSED.
   */
  batch(step: number): Promise<Batch>;
  /** Ends the workers, whatever they do; batches still awaited are refused. Safe to call twice. */
  close(): Promise<void>;
}

/** `workerData` of batch-worker. */
export interface BatchWorkerData {
  /** PCM in shared memory. */
  clips: Clip[];
  params: FeatureParams;
  options: SamplerSettings;
}

const DEFAULT_AHEAD = 4;

/** Opens a feed; close it. Throws TRAINING_EMPTY (no labelled clip), APP_NOT_BUILT, TRAINING_OPTION_INVALID. */
export function openBatchFeed(options: BatchFeedOptions): BatchFeed {
  const { clips, params, workers = defaultWorkers(), ahead = DEFAULT_AHEAD } = options;
  wholeNumber('workers', workers, 0, 64);
  wholeNumber('ahead', ahead, 1, 1024);
  // Also where workers make the batches: what is wrong with the clips is known now.
  const sampler = createSampler(clips, params, options.options);
  return workers === 0 ? inThread(sampler) : new WorkerFeed(options, sampler.shares, workers, ahead);
}

/** Opens a feed for as long as `use` runs, and closes it however that ends. */
export async function withBatchFeed<Result>(options: BatchFeedOptions, use: (feed: BatchFeed) => Promise<Result>): Promise<Result> {
  const feed = openBatchFeed(options);
  try {
    return await use(feed);
  } finally {
    await feed.close();
  }
}

function inThread(sampler: WindowSampler): BatchFeed {
  return { workers: 0, shares: sampler.shares, batch: async (step) => sampler.batch(step), close: () => Promise.resolve() };
}

class WorkerFeed implements BatchFeed {
  private readonly pool: WorkerPool<number, Batch>;
  private readonly steps: number;
  /** Batches asked of the workers before the trainer did, by step. */
  private readonly prepared = new Map<number, Promise<Batch>>();
  /** Batches in the making that the trainer waits for. */
  private awaited = 0;
  /** What the trainer asked for last. */
  private front = -1;

  constructor(
    { clips, params, options, entry, steps = Infinity, onRestart }: BatchFeedOptions,
    readonly shares: WindowSampler['shares'],
    readonly workers: number,
    private readonly ahead: number,
  ) {
    const data: BatchWorkerData = { clips: shareClips(clips), params, options };
    this.steps = steps;
    this.pool = new WorkerPool({ entry: entry ?? builtModule('training/feed/batch-worker'), workers, data, name: 'batches', ...(onRestart ? { onRestart } : {}) });
  }

  async batch(step: number): Promise<Batch> {
    const batch = this.prepared.get(step) ?? this.pool.run(step);
    this.prepared.delete(step);
    for (const other of this.prepared.keys()) if (other < step || other >= step + this.ahead) this.prepared.delete(other);
    this.front = step;
    this.awaited++;
    this.prepare();
    try {
      return await batch;
    } finally {
      this.awaited--;
      this.prepare();
    }
  }

  close(): Promise<void> {
    this.prepared.clear();
    return this.pool.close();
  }

  /** Asks for the batches that come next, in order, as far as `ahead` allows. */
  private prepare(): void {
    for (let next = this.front + 1; next < this.steps && this.prepared.size + this.awaited < this.ahead; next++) {
      if (this.prepared.has(next)) continue;
      const batch = this.pool.run(next);
      // Told when the trainer asks for it; until then it must not count as unhandled.
      batch.catch(() => undefined);
      this.prepared.set(next, batch);
    }
  }
}

function wholeNumber(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new StageError({ code: 'TRAINING_OPTION_INVALID', stage: 'training', message: `${name} is ${value}, not a whole number from ${least} to ${most}`, remedy: 'Correct the option.' });
}
