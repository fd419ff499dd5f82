/** One engine in its worker, one batcher in front, shared by all streams. */
import { Observable } from 'rxjs';
import type { FeatureWindow } from '../features/types.js';
import { Batcher, type BatcherOptions, type BatcherStats, type Lane } from './batcher.js';
import { EngineWorker, type EngineEvent, type EngineReady, type EngineWorkerOptions } from './engine-worker-proxy.js';
import type { ModelPackage } from './model-package.js';
import type { EngineAttempt } from './select-engine.js';
import type { EngineInfo, InferenceItem } from './types.js';

export interface InferenceServiceOptions extends Omit<EngineWorkerOptions, 'folder'> {
  /** The package, verified by `loadModelPackage`; the worker verifies it again. */
  model: ModelPackage;
  batching?: Omit<BatcherOptions, 'windowLength' | 'labels'>;
}

export class InferenceService {
  private closed = false;

  private constructor(
    readonly model: ModelPackage,
    private readonly worker: EngineWorker,
    private readonly batcher: Batcher,
    private current: EngineReady,
  ) {
    worker.events$.subscribe((event) => {
      if (event.kind === 'ready') this.current = event.ready;
    });
  }

  /**
   * Starts the worker; resolves once it has reproduced the golden output.
   * @throws StageError: see EngineWorker.start.
   */
  static async start({ model, batching = {}, ...engine }: InferenceServiceOptions): Promise<InferenceService> {
    const worker = new EngineWorker({ ...engine, folder: model.folder });
    const ready = await worker.start();
    const { features, labels } = model.manifest;
    const shape = { windowLength: features.mel.nMels * features.windowFrames, labels: labels.length };
    const batcher = new Batcher((batch, count) => worker.run(batch, count), { ...batching, ...shape });
    return new InferenceService(model, worker, batcher, ready);
  }

  /** The device that really ran the golden check. */
  get info(): EngineInfo {
    return this.current.info;
  }

  /** Engines tried, and why the last one was chosen. */
  get attempts(): readonly EngineAttempt[] {
    return this.current.attempts;
  }

  /** Largest difference from the golden probabilities at boot. */
  get goldenDifference(): number {
    return this.current.goldenDifference;
  }

  /** Deaths and restarts of the worker; completes on close. */
  get events$(): Observable<EngineEvent> {
    return this.worker.events$;
  }

  get stats(): Readonly<BatcherStats> {
    return this.batcher.stats;
  }

  /** Windows waiting for a batch. */
  get queueLength(): number {
    return this.batcher.queueLength;
  }

  /** Resolves when a source that can be held back may go on; see Batcher.ready. */
  ready(): Promise<void> {
    return this.batcher.ready();
  }

  /**
   * Windows in, results and drops out, per stream in order. Completes, or fails, with the source, once all its windows
   * have come out. Unsubscribing forgets what waits.
   * @param lossless nothing is dropped for lack of room; the source must await `ready()`.
   */
  infer(windows$: Observable<FeatureWindow>, { lossless = false } = {}): Observable<InferenceItem> {
    return new Observable<InferenceItem>((subscriber) => {
      const lanes = new Map<string, Lane>();
      const laneOf = (streamId: string) => {
        const lane = lanes.get(streamId) ?? this.batcher.lane((item) => subscriber.next(item), { lossless });
        lanes.set(streamId, lane);
        return lane;
      };
      const drained = async () => {
        await Promise.all([...lanes.values()].map((lane) => lane.flushed()));
      };
      const source = windows$.subscribe({
        next: (window) => laneOf(window.streamId).push(window),
        error: (error: unknown) => void drained().then(() => subscriber.error(error)),
        complete: () => void drained().then(() => subscriber.complete()),
      });
      return () => {
        source.unsubscribe();
        for (const lane of lanes.values()) lane.close();
      };
    });
  }

  /** Drops what waits, stops the worker. Safe to call twice. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.batcher.close();
    await this.worker.close();
  }
}
