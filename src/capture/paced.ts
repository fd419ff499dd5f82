/**
 * Turns a reader of PCM (file, synthesiser) into a stream of chunks at a chosen pace.
 *
 * Pace: at a finite speed every chunk has a due time, computed from one monotonic anchor and its sample index, so no
 * error accumulates; timers only wake the loop. Should the process be held up for longer than MAX_LAG_MS (suspended
 * laptop), the anchor moves instead of a flood being sent.
 *
 * Back-pressure: at speed Infinity the source would outrun any consumer. It therefore hands the event loop back after
 * every chunk (setImmediate) and, before each chunk, asks the consumer's `ready` hook: while the promise it returned is
 * pending, nothing is read or emitted. At finite speeds the hook is not asked: real time does not wait either.
 */
import { Observable, type Subscriber } from 'rxjs';
import { nextTurn } from '../common/next-turn.js';
import { toStageError } from '../common/stage-error.js';
import { utcNow, type UtcNow } from '../common/clock.js';
import type { CaptureItem } from './types.js';

/** PCM that can be pulled. */
export interface PcmReader {
  readonly sampleRateHz: number;
  readonly channels: number;
  /**
   * The next `frames` samples per channel, interleaved, in a fresh array that the caller may keep. Fewer at the end of
   * a finite source, an empty array after it.
   */
  read(frames: number): Float32Array;
}

/** Asked before each chunk at speed Infinity; return a promise to hold the source until it resolves. */
export type Ready = () => Promise<void> | undefined;

export interface PaceOptions {
  streamId: string;
  /** 1 = real time, N = N times as fast, Infinity = as fast as the consumer allows. Default 1. */
  speed?: number;
  /** Length of a chunk in ms of sound. Default 2; 100 at speed Infinity. */
  chunkMs?: number;
  ready?: Ready;
  now?: UtcNow;
}

/** Lag beyond which real-time replay slips instead of catching up, ms. */
export const MAX_LAG_MS = 1000;

/** A cold Observable of chunks; `open` is called once per subscription. Errors are StageErrors. */
export function paced(open: () => PcmReader | Promise<PcmReader>, options: PaceOptions): Observable<CaptureItem> {
  return new Observable<CaptureItem>((subscriber) => {
    const run = async () => {
      const reader = await open();
      if (subscriber.closed) return;
      const player = new Player(reader, options, subscriber);
      subscriber.add(() => player.stop());
      if (Number.isFinite(options.speed ?? 1)) player.playPaced();
      else await player.playFast();
    };
    run().catch((error: unknown) => {
      subscriber.error(toStageError(error, { code: 'CAPTURE_SOURCE_FAILED', stage: 'capture', streamId: options.streamId }));
    });
  });
}

class Player {
  readonly #reader: PcmReader;
  readonly #options: PaceOptions;
  readonly #out: Subscriber<CaptureItem>;
  readonly #now: UtcNow;
  readonly #speed: number;
  readonly #chunkFrames: number;
  #timer: NodeJS.Timeout | undefined;
  /** Sample counter: frames emitted so far. */
  #position = 0;
  /** UTC ms at which sample 0 was due. */
  #anchorMs: number;

  constructor(reader: PcmReader, options: PaceOptions, out: Subscriber<CaptureItem>) {
    this.#reader = reader;
    this.#options = options;
    this.#out = out;
    this.#now = options.now ?? utcNow;
    this.#speed = options.speed ?? 1;
    const chunkMs = options.chunkMs ?? (Number.isFinite(this.#speed) ? 2 : 100);
    this.#chunkFrames = Math.max(1, Math.round((reader.sampleRateHz * chunkMs) / 1000));
    this.#anchorMs = this.#now();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  playPaced(): void {
    try {
      this.#sendDue();
    } catch (error) {
      this.#out.error(toStageError(error, { code: 'CAPTURE_SOURCE_FAILED', stage: 'capture', streamId: this.#options.streamId }));
    }
  }

  async playFast(): Promise<void> {
    while (!this.#out.closed) {
      const wait = this.#options.ready?.();
      if (wait !== undefined) await wait;
      if (this.#out.closed || !this.#sendOne(() => this.#now())) return;
      await nextTurn();
    }
  }

  #sendDue(): void {
    const lag = this.#now() - this.#dueMs(this.#position + this.#chunkFrames);
    if (lag > MAX_LAG_MS) this.#anchorMs += lag;
    while (!this.#out.closed && this.#dueMs(this.#position + this.#chunkFrames) <= this.#now()) {
      if (!this.#sendOne(() => this.#dueMs(this.#position))) return;
    }
    if (this.#out.closed) return;
    const wait = this.#dueMs(this.#position + this.#chunkFrames) - this.#now();
    this.#timer = setTimeout(() => this.playPaced(), Math.max(1, Math.ceil(wait)));
  }

  /** The time at which the sample before `position` has been "captured". */
  #dueMs(position: number): number {
    return this.#anchorMs + (position / this.#reader.sampleRateHz / this.#speed) * 1000;
  }

  /** Emits the next chunk; false (and completion) at the end. `capturedAt` is asked after the counter has advanced. */
  #sendOne(capturedAt: () => number): boolean {
    const { sampleRateHz, channels } = this.#reader;
    const samples = this.#reader.read(this.#chunkFrames);
    const frames = samples.length / channels;
    if (frames === 0) {
      this.#out.complete();
      return false;
    }
    const startSample = this.#position;
    this.#position += frames;
    this.#out.next({
      kind: 'chunk',
      streamId: this.#options.streamId,
      samples,
      channels,
      sampleRateHz,
      startSample,
      capturedAtMs: capturedAt(),
    });
    return true;
  }
}
