/**
 * Keeps a source alive: after a retryable error or a stall it opens it again, waiting longer each time, and makes the
 * result look like one stream. The samples lost meanwhile (by the chunks' capture times) become an AudioGap, so that
 * the sample counter goes on as if the device had run through.
 */
import { asyncScheduler, Observable, type SchedulerLike, type Subscriber, type Subscription } from 'rxjs';
import { toStageError, type StageError } from '../common/stage-error.js';
import { captureError } from './capture-error.js';
import type { AudioChunk, AudioSource, CaptureItem } from './types.js';

/**
 * `starting` until the first chunk, `live` while chunks arrive, `stalled` when a live source falls silent, `recovering`
 * while it waits to be opened again or is being opened, `failed` when it was given up, `ended` when it completed.
 */
export type SourceState = 'starting' | 'live' | 'stalled' | 'recovering' | 'failed' | 'ended';

export interface SourceStatus {
  state: SourceState;
  /** What happened, in words. */
  detail: string;
  /** Restarts since the stream was last live. */
  attempt: number;
  /** The error behind `stalled`, `recovering` and `failed`. */
  error?: StageError;
}

export interface RestartOptions {
  /** Told about every change of state, in order. */
  onState?: (status: SourceStatus) => void;
  /** Wait before the first restart, ms. Default 250. */
  firstDelayMs?: number;
  /** Longest wait, ms. Default 30 000. */
  maxDelayMs?: number;
  /** Factor between waits. Default 2. */
  factor?: number;
  /** Multiplies each wait, so that many sources do not restart in step. Default: random in 0.8…1.2. */
  jitter?: () => number;
  /** Restarts without a chunk in between before giving up. Default: never. */
  maxAttempts?: number;
  /** Silence after which a live source is `stalled`; after twice as long it is opened again. Default 2000 ms. */
  stallMs?: number;
  /** Time a live source has for its first chunk after being opened. Default 15 000 ms. */
  startMs?: number;
  /** Time a source must be live for the waits to start small again. Default 5000 ms. */
  stableMs?: number;
  /** Timers; a TestScheduler in tests. */
  scheduler?: SchedulerLike;
}

/** Restarts of a stream change nothing else about it: the wrapped source keeps spec, streamId, title and live. */
export function restarting(source: AudioSource, options: RestartOptions = {}): AudioSource {
  return {
    spec: source.spec,
    streamId: source.streamId,
    title: source.title,
    live: source.live,
    open: () =>
      new Observable<CaptureItem>((subscriber) => {
        const keeper = new Keeper(source, options, subscriber);
        keeper.start();
        return () => keeper.stop();
      }),
  };
}

/** The end of what has been emitted: where the next opening has to join. */
interface Seam {
  /** Next sample of the counter. */
  sample: number;
  sampleRateHz: number;
  channels: number;
  /** UTC ms at which the sample before it was captured. */
  atMs: number;
}

class Keeper {
  readonly #source: AudioSource;
  readonly #options: RestartOptions;
  readonly #out: Subscriber<CaptureItem>;
  readonly #scheduler: SchedulerLike;
  #inner: Subscription | undefined;
  #timer: Subscription | undefined;
  #state: SourceState | undefined;
  #seam: Seam | undefined;
  /** Added to the sample indices of the current opening. */
  #shift = 0;
  /** True until the current opening has delivered its first chunk. */
  #fresh = true;
  /** Restarts since last live; and since last live for long, which sets the wait. */
  #attempt = 0;
  #failures = 0;
  #lastItemMs = 0;
  #liveSinceMs = 0;

  constructor(source: AudioSource, options: RestartOptions, out: Subscriber<CaptureItem>) {
    this.#source = source;
    this.#options = options;
    this.#out = out;
    this.#scheduler = options.scheduler ?? asyncScheduler;
  }

  start(): void {
    this.#report('starting', `opening ${this.#source.spec}`);
    this.#open();
  }

  stop(): void {
    this.#inner?.unsubscribe();
    this.#timer?.unsubscribe();
  }

  #open(): void {
    this.#fresh = true;
    this.#lastItemMs = this.#scheduler.now();
    this.#watch();
    this.#inner = this.#source.open().subscribe({
      next: (item) => this.#receive(item),
      error: (error: unknown) => this.#recover(toStageError(error, { code: 'CAPTURE_SOURCE_FAILED', stage: 'capture', streamId: this.#source.streamId })),
      complete: () => this.#end(),
    });
    // A source that failed while being subscribed to has already been dealt with.
    if (this.#out.closed) this.stop();
  }

  #receive(item: CaptureItem): void {
    this.#lastItemMs = this.#scheduler.now();
    if (item.kind === 'chunk' && this.#fresh && !this.#join(item)) return;
    const startSample = item.startSample + this.#shift;
    if (item.kind === 'chunk') {
      const { sampleRateHz, channels } = item;
      this.#seam = { sample: startSample + item.samples.length / channels, sampleRateHz, channels, atMs: item.capturedAtMs };
      this.#goLive();
    } else if (this.#fresh) {
      // A gap before any sound of this opening says nothing that the gap at the seam does not.
      return;
    } else if (this.#seam !== undefined) {
      this.#seam = { ...this.#seam, sample: startSample + item.lengthSamples, atMs: item.capturedAtMs };
    }
    this.#out.next(this.#shift === 0 ? item : { ...item, startSample });
  }

  /** Fits the first chunk of an opening to what came before; false when that is impossible. */
  #join(chunk: AudioChunk): boolean {
    this.#fresh = false;
    const seam = this.#seam;
    if (seam === undefined) return true;
    const { sampleRateHz, channels } = chunk;
    if (sampleRateHz !== seam.sampleRateHz || channels !== seam.channels) {
      this.#giveUp(this.#changedFormat(seam, chunk));
      return false;
    }
    const firstAtMs = chunk.capturedAtMs - (chunk.samples.length / channels / sampleRateHz) * 1000;
    const lost = Math.max(0, Math.round(((firstAtMs - seam.atMs) / 1000) * sampleRateHz));
    this.#shift = seam.sample + lost - chunk.startSample;
    if (lost > 0) {
      this.#out.next({ kind: 'gap', streamId: chunk.streamId, sampleRateHz, startSample: seam.sample, lengthSamples: lost, reason: 'restart', capturedAtMs: firstAtMs });
    }
    return true;
  }

  #goLive(): void {
    if (this.#state === 'live') return;
    this.#liveSinceMs = this.#scheduler.now();
    this.#attempt = 0;
    this.#report('live', `${this.#source.spec} delivers sound`);
    this.#watch();
  }

  /** Sets the alarm for when silence becomes too long (a source that is not live may pause as it likes). */
  #watch(): void {
    this.#timer?.unsubscribe();
    if (!this.#source.live) return;
    const leftMs = this.#lastItemMs + this.#silenceLimitMs() - this.#scheduler.now();
    this.#timer = this.#scheduler.schedule(() => this.#alarm(), Math.max(0, leftMs));
  }

  #silenceLimitMs(): number {
    const { stallMs = 2000, startMs = 15_000 } = this.#options;
    if (this.#state === 'live') return stallMs;
    return this.#state === 'stalled' ? 2 * stallMs : startMs;
  }

  #alarm(): void {
    const silentMs = this.#scheduler.now() - this.#lastItemMs;
    // Chunks do not move the alarm (they are many); it looks at the clock when it rings.
    if (silentMs < this.#silenceLimitMs()) return this.#watch();
    const error = this.#stallError(silentMs);
    if (this.#state !== 'live') return this.#recover(error);
    // A pause that ends by itself needs no restart.
    this.#report('stalled', error.message, error);
    this.#watch();
  }

  #recover(error: StageError): void {
    this.#inner?.unsubscribe();
    this.#timer?.unsubscribe();
    const { firstDelayMs = 250, maxDelayMs = 30_000, factor = 2, jitter = defaultJitter, stableMs = 5000, maxAttempts = Infinity } = this.#options;
    const wasLive = this.#state === 'live' || this.#state === 'stalled';
    if (wasLive && this.#lastItemMs - this.#liveSinceMs >= stableMs) this.#failures = 0;
    if (!error.retryable || this.#attempt >= maxAttempts) return this.#giveUp(error);
    if (error.code === 'CAPTURE_STALLED' && this.#state === 'live') this.#report('stalled', error.message, error);
    const delayMs = Math.min(maxDelayMs, firstDelayMs * factor ** this.#failures * jitter());
    this.#failures++;
    this.#attempt++;
    this.#report('recovering', `${error.message}; trying again in ${Math.round(delayMs)} ms`, error);
    this.#timer = this.#scheduler.schedule(() => this.#open(), delayMs);
  }

  #giveUp(error: StageError): void {
    this.stop();
    this.#report('failed', error.message, error);
    this.#out.error(error);
  }

  #end(): void {
    this.#timer?.unsubscribe();
    this.#report('ended', `${this.#source.spec} has ended`);
    this.#out.complete();
  }

  #report(state: SourceState, detail: string, error?: StageError): void {
    this.#state = state;
    this.#options.onState?.({ state, detail, attempt: this.#attempt, ...(error === undefined ? {} : { error }) });
  }

  #stallError(silentMs: number): StageError {
    return captureError('CAPTURE_STALLED', {
      message: `${this.#source.spec} delivered nothing for ${Math.round(silentMs)} ms`,
      remedy: 'Check that the device is connected and switched on.',
      streamId: this.#source.streamId,
      retryable: true,
    });
  }

  #changedFormat(seam: Seam, chunk: AudioChunk): StageError {
    return captureError('CAPTURE_FORMAT_CHANGED', {
      message: `${this.#source.spec} came back with ${chunk.sampleRateHz} Hz × ${chunk.channels}; the stream runs at ${seam.sampleRateHz} Hz × ${seam.channels}`,
      remedy: 'Name the rate and channels in the source, e.g. mic:NAME?rate=48000&channels=1.',
      streamId: this.#source.streamId,
    });
  }
}

function defaultJitter(): number {
  return 0.8 + 0.4 * Math.random();
}
