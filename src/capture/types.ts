/**
 * What every source hands to the next stage.
 *
 * Buffer ownership: `samples` of a chunk belongs to the receiver from the moment it is emitted; a source must never
 * write to it again (a source that reuses a buffer internally copies before it emits).
 */
import type { Observable } from 'rxjs';

/** PCM as it arrives. */
export interface AudioChunk {
  kind: 'chunk';
  streamId: string;
  /** Interleaved samples, nominally in ±1 (may hold NaN, infinities or overs: condition deals with them). Length = frames × channels. */
  samples: Float32Array;
  /** Number of interleaved channels, ≥ 1. */
  channels: number;
  /** Sampling rate of this chunk in Hz. Constant within a stream. */
  sampleRateHz: number;
  /** Index of the chunk's first sample (per channel) on the stream's sample counter, at sampleRateHz, gaps included. */
  startSample: number;
  /** UTC time in ms (fractional) at which the chunk's LAST sample was captured, from a monotonic anchor. */
  capturedAtMs: number;
}

/** Samples that were lost. The counter of the next chunk continues at startSample + lengthSamples. */
export interface AudioGap {
  kind: 'gap';
  streamId: string;
  sampleRateHz: number;
  startSample: number;
  lengthSamples: number;
  /** Machine word, e.g. `overrun`, `device-lost`, `packet-loss`, `restart`. */
  reason: string;
  capturedAtMs: number;
}

export type CaptureItem = AudioChunk | AudioGap;

/** A source of one stream. `open()` is cold: each subscription opens the device or file, unsubscribing closes it. */
export interface AudioSource {
  /** The specification it was made from, e.g. `synth`, `file:/x/y.wav`, `mic:USB stethoscope`. */
  readonly spec: string;
  /** Stable identity of the stream, unique in the station; matches /^[A-Za-z0-9._-]{1,64}$/. */
  readonly streamId: string;
  /** Human-readable name for dashboards. */
  readonly title: string;
  /** True when samples arrive in real time and a pause means trouble (mic, bridge); false for files replayed at full speed. */
  readonly live: boolean;
  /** Errors with a StageError (stage `capture`); completes at the end of a finite source. */
  open(): Observable<CaptureItem>;
}
