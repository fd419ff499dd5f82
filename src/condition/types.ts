/**
 * What conditioning hands to features: mono, one rate, finite values, gaps marked.
 *
 * Buffer ownership: `samples` is valid until the next item of the same stream is emitted; copy to keep.
 */

/** Conditioned mono PCM at the model's rate. */
export interface ConditionedChunk {
  kind: 'chunk';
  streamId: string;
  /** Mono, finite, DC removed. */
  samples: Float32Array;
  /** The model's rate in Hz. */
  sampleRateHz: number;
  /** Index of the first sample at sampleRateHz on the stream's counter (gaps included). */
  startSample: number;
  /** UTC ms at which the newest source sample that this chunk depends on was captured (the resampler's look-ahead included). */
  capturedAtMs: number;
  /** Source samples of this chunk at or beyond full scale (|x| ≥ 0.999). */
  clippedSamples: number;
  /** Source samples that were NaN or infinite and were replaced by 0. */
  nonFiniteSamples: number;
  /** Source samples (per channel) that the two counts refer to; absent = samples.length. */
  sourceSamples?: number;
}

/** Samples that are missing, on the model-rate counter. */
export interface ConditionedGap {
  kind: 'gap';
  streamId: string;
  sampleRateHz: number;
  startSample: number;
  lengthSamples: number;
  reason: string;
  capturedAtMs: number;
}

/** Emitted once when a finite source has ended, after its last chunk. */
export interface ConditionedEnd {
  kind: 'end';
  streamId: string;
}

export type ConditionedItem = ConditionedChunk | ConditionedGap | ConditionedEnd;
