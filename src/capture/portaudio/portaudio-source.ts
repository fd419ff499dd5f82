/** A microphone as a source: PortAudio in a child process, watched from here. */
import { Observable, type Subscriber } from 'rxjs';
import { toStageError } from '../../common/stage-error.js';
import { captureError } from '../capture-error.js';
import { utcNow, type UtcNow } from '../../common/clock.js';
import { streamIdFrom } from '../stream-id.js';
import type { AudioSource, CaptureItem } from '../types.js';
import { CaptureClock } from './capture-clock.js';
import { childDied, startChild, type ChildHandle } from './child-process.js';
import type { Device } from './devices.js';
import type { PcmFrame, Reply, SampleFormat } from './wire.js';

export interface PortAudioSourceOptions {
  /** Name, or unique part of the name, of the input; the system's default when absent. */
  device?: string;
  streamId?: string;
  spec?: string;
  /** Default: the device's own rate. */
  sampleRateHz?: number;
  /** Default: 1 where the device can, else 2. */
  channels?: number;
  /** Length of a chunk, ms. Default 10. */
  chunkMs?: number;
  /** Sound that may wait in the child while this process is busy, before it is dropped (and counted), ms. Default 4000. */
  maxBacklogMs?: number;
  /** Silence of the child that counts as a stall, ms. Default 2000. */
  stallMs?: number;
  /** Time until the first chunk: opening the device and its first buffer, ms. Default 10 000. */
  openMs?: number;
  now?: UtcNow;
  /** Told once per subscription which device was opened and how. */
  onOpened?: (opened: OpenedInput) => void;
  /** Told about overruns. */
  onWarning?: (warning: string) => void;
  /** Lines printed by native code. */
  onDebug?: (line: string) => void;
  /** Added to the child's environment. */
  env?: NodeJS.ProcessEnv;
}

/** The input as it was opened. */
export interface OpenedInput {
  device: Device;
  sampleRateHz: number;
  channels: number;
  format: SampleFormat;
  /** Process id of the child that reads it. */
  pid: number | undefined;
}

/**
 * Captures from an audio input; each subscription starts a child process. Errors (StageError, `retryable` as said):
 * CAPTURE_PORTAUDIO_MISSING (no), CAPTURE_DEVICE_NOT_FOUND (yes), CAPTURE_DEVICE_AMBIGUOUS (no), CAPTURE_DEVICE_REFUSED,
 * CAPTURE_DEVICE_FAILED, CAPTURE_DEVICE_LOST, CAPTURE_STALLED, CAPTURE_CHILD_DIED (all yes). Never completes.
 */
export function portAudioSource(options: PortAudioSourceOptions = {}): AudioSource {
  const { device } = options;
  const streamId = options.streamId ?? (device === undefined ? 'mic' : streamIdFrom(`mic-${device}`));
  // A stream keeps its rate and channels for life: what the first opening got is asked for at the next one.
  const agreed: { sampleRateHz?: number; channels?: number } = {};
  return {
    spec: options.spec ?? (device === undefined ? 'mic' : `mic:${device}`),
    streamId,
    title: device === undefined ? 'Microphone' : `Microphone ${device}`,
    live: true,
    open: () =>
      new Observable<CaptureItem>((subscriber) => {
        const capture = new Capture({ ...options, ...agreed, streamId }, subscriber, ({ sampleRateHz, channels }) => Object.assign(agreed, { sampleRateHz, channels }));
        return () => capture.stop();
      }),
  };
}

/** One running child. */
class Capture {
  readonly #options: PortAudioSourceOptions & { streamId: string };
  readonly #out: Subscriber<CaptureItem>;
  readonly #onOpened: (opened: OpenedInput) => void;
  readonly #watchdog: NodeJS.Timeout;
  #child: ChildHandle | undefined;
  #opened: OpenedInput | undefined;
  #clock: CaptureClock | undefined;
  #lastSignMs = performance.now();
  #heard = false;

  constructor(options: PortAudioSourceOptions & { streamId: string }, out: Subscriber<CaptureItem>, onOpened: (opened: OpenedInput) => void) {
    this.#options = options;
    this.#out = out;
    this.#onOpened = onOpened;
    const stallMs = options.stallMs ?? 2000;
    this.#watchdog = setInterval(() => this.#watch(), Math.max(10, stallMs / 8));
    try {
      this.#child = this.#start();
    } catch (error) {
      this.#fail(error);
    }
  }

  stop(): void {
    clearInterval(this.#watchdog);
    this.#child?.stop();
  }

  #start(): ChildHandle {
    const { device, sampleRateHz, channels, chunkMs = 10, maxBacklogMs = 4000, env, onDebug, streamId } = this.#options;
    return startChild(
      {
        kind: 'capture',
        chunkMs,
        maxBacklogMs,
        ...(device === undefined ? {} : { device }),
        ...(sampleRateHz === undefined ? {} : { sampleRateHz }),
        ...(channels === undefined ? {} : { channels }),
      },
      {
        onFrame: (frame) => this.#receive(frame),
        onExit: (why) => this.#fail(childDied(why, streamId)),
        ...(onDebug === undefined ? {} : { onDebug }),
      },
      env,
    );
  }

  #receive(frame: PcmFrame | Reply): void {
    this.#lastSignMs = performance.now();
    if (frame.kind === 'pcm') this.#sound(frame);
    else if (frame.kind === 'error') this.#fail(captureError(frame.code, { ...frame, streamId: this.#options.streamId }));
    else if (frame.kind === 'opened') this.#open(frame);
  }

  #open({ device, sampleRateHz, channels, format }: Extract<Reply, { kind: 'opened' }>): void {
    this.#opened = { device, sampleRateHz, channels, format, pid: this.#child?.pid };
    const now = this.#options.now ?? utcNow;
    this.#clock = new CaptureClock(sampleRateHz, now() - Number(process.hrtime.bigint()) / 1e6);
    this.#onOpened(this.#opened);
    this.#options.onOpened?.(this.#opened);
  }

  #sound({ payload, readAtMs, lostFrames, overrun }: PcmFrame): void {
    if (this.#opened === undefined || this.#clock === undefined) return;
    this.#heard = true;
    const { streamId } = this.#options;
    const { sampleRateHz, channels, format } = this.#opened;
    const samples = format === 'float32' ? float32(payload) : int16(payload);
    const frames = samples.length / channels;
    const { lostBefore, startSample, capturedAtMs } = this.#clock.place(frames, readAtMs, lostFrames, overrun);
    if (lostBefore > 0) {
      const lostAt = startSample - lostBefore;
      this.#options.onWarning?.(`overrun: ${lostBefore} samples lost at sample ${lostAt}`);
      const gapEndMs = capturedAtMs - (frames / sampleRateHz) * 1000;
      this.#out.next({ kind: 'gap', streamId, sampleRateHz, startSample: lostAt, lengthSamples: lostBefore, reason: 'overrun', capturedAtMs: gapEndMs });
    }
    this.#out.next({ kind: 'chunk', streamId, samples, channels, sampleRateHz, startSample, capturedAtMs });
  }

  #watch(): void {
    const { stallMs = 2000, openMs = 10_000, streamId } = this.#options;
    // The first buffer may take long after opening: PulseAudio's virtual sources need two seconds.
    const limitMs = this.#heard ? stallMs : openMs;
    const silentMs = performance.now() - this.#lastSignMs;
    if (silentMs < limitMs) return;
    const what = this.#opened === undefined ? 'the audio input could not be opened' : `"${this.#opened.device.name}" delivered nothing`;
    this.#child?.kill();
    this.#fail(
      captureError('CAPTURE_STALLED', {
        message: `${what} for ${Math.round(silentMs)} ms (limit ${limitMs} ms)`,
        remedy: 'Check that the device is plugged in and the sound server runs.',
        retryable: true,
        streamId,
      }),
    );
  }

  #fail(error: unknown): void {
    clearInterval(this.#watchdog);
    this.#out.error(toStageError(error, { code: 'CAPTURE_DEVICE_FAILED', stage: 'capture', streamId: this.#options.streamId }));
  }
}

/** Copies: the receiver may keep the samples, the pipe's buffer is shared and may be unaligned. */
function float32(payload: Buffer): Float32Array {
  const samples = new Float32Array(payload.length >> 2);
  for (let i = 0; i < samples.length; i++) samples[i] = payload.readFloatLE(i * 4);
  return samples;
}

function int16(payload: Buffer): Float32Array {
  const samples = new Float32Array(payload.length >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = payload.readInt16LE(i * 2) / 32768;
  return samples;
}
