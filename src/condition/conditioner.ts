/**
 * One stream's conditioning: channel choice, finite values, DC removal, resampling, and counters that stay in step
 * with the source's. After a gap every filter starts afresh: sound before a gap never mixes with sound after it.
 */
import type { AudioChunk, AudioGap, CaptureItem } from '../capture/types.js';
import { takeChannel, type Defects } from './channel.js';
import { channelMissing, invalidChunk, invalidOption, rateChanged } from './condition-error.js';
import { DcBlocker } from './dc-blocker.js';
import { toTargetIndex } from './rate-ratio.js';
import { StreamingResampler } from './resampler.js';
import type { ConditionedChunk, ConditionedItem } from './types.js';

export interface ConditionOptions {
  /** Rate of the conditioned samples in Hz. */
  modelRateHz: number;
  /** −3 dB corner of the DC-blocking high-pass in Hz; 0 = off. */
  dcBlockHz: number;
  /** Channel to listen to, from 0, or `mix` for the mean of all. */
  channel: 'mix' | number;
}

/** Long chunks are cut to this, so that counts of clipped samples stay near where they happened. */
const MAX_BLOCK_SECONDS = 0.05;

type Emit = (item: ConditionedItem) => void;

/** What the first item of a stream settles. */
interface Chain {
  streamId: string;
  rateHz: number;
  dcBlocker: DcBlocker;
  resampler: StreamingResampler;
  mono: Float32Array;
}

export class Conditioner {
  private chain: Chain | null = null;
  /** Next expected sample of the source counter. */
  private expected = 0;
  private segmentStart = 0;
  private lastCapturedAtMs = 0;
  private readonly defects: Defects = { clipped: 0, nonFinite: 0 };
  private unreported = 0;

  /** Throws CONDITION_OPTION_INVALID. */
  constructor(private readonly options: ConditionOptions) {
    const { channel, dcBlockHz, modelRateHz } = options;
    if (channel !== 'mix' && !(Number.isInteger(channel) && channel >= 0)) throw invalidOption('channel', channel, '`mix` or an integer ≥ 0');
    if (!(dcBlockHz >= 0 && dcBlockHz < modelRateHz / 2)) throw invalidOption('dcBlockHz', dcBlockHz, `0 (off) ≤ dcBlockHz < ${modelRateHz / 2} (half of the model rate)`);
  }

  /** Throws CONDITION_RATE_INVALID, CONDITION_RATE_CHANGED, CONDITION_CHANNEL_MISSING, CONDITION_CHUNK_INVALID. */
  push(item: CaptureItem, emit: Emit): void {
    checkCounter(item);
    const chain = this.chainFor(item);
    if (item.kind === 'gap') this.gap(chain, item, emit);
    else this.chunk(chain, item, emit);
  }

  /** The source has ended: what the resampler still holds, then `end`. Nothing at all of a stream that never began. */
  end(emit: Emit): void {
    if (!this.chain) return;
    this.finishSegment(this.chain, emit);
    emit({ kind: 'end', streamId: this.chain.streamId });
  }

  private chainFor(item: CaptureItem): Chain {
    if (this.chain) {
      if (item.sampleRateHz !== this.chain.rateHz) throw rateChanged(item.streamId, this.chain.rateHz, item.sampleRateHz);
      return this.chain;
    }
    const { streamId, sampleRateHz } = item;
    const resampler = new StreamingResampler(sampleRateHz, this.options.modelRateHz);
    const dcBlocker = new DcBlocker(Math.min(this.options.dcBlockHz, 0.49 * sampleRateHz), sampleRateHz);
    const mono = new Float32Array(Math.max(1, Math.round(sampleRateHz * MAX_BLOCK_SECONDS)));
    this.chain = { streamId, rateHz: sampleRateHz, dcBlocker, resampler, mono };
    this.startSegment(this.chain, item.startSample);
    return this.chain;
  }

  private chunk(chain: Chain, chunk: AudioChunk, emit: Emit): void {
    const frames = this.framesOf(chunk);
    if (chunk.startSample > this.expected) {
      const { streamId, sampleRateHz, capturedAtMs } = chunk;
      const lengthSamples = chunk.startSample - this.expected;
      this.gap(chain, { kind: 'gap', streamId, sampleRateHz, startSample: this.expected, lengthSamples, reason: 'discontinuity', capturedAtMs }, emit);
    }
    // Samples that were there already (a source that repeats itself) are skipped.
    const end = chunk.startSample + frames;
    for (let from = this.expected - chunk.startSample; from < frames; ) {
      const count = Math.min(frames - from, chain.mono.length);
      const newest = chunk.startSample + from + count;
      this.block(chain, chunk, from, count, chunk.capturedAtMs - msOf(end - newest, chain.rateHz), emit);
      from += count;
    }
  }

  private framesOf({ streamId, samples, channels }: AudioChunk): number {
    const { channel } = this.options;
    if (!(Number.isInteger(channels) && channels >= 1)) throw invalidChunk(streamId, `a chunk has ${channels} channels; allowed: an integer ≥ 1`);
    if (channel !== 'mix' && channel >= channels) throw channelMissing(streamId, channel, channels);
    return Math.floor(samples.length / channels);
  }

  private block(chain: Chain, chunk: AudioChunk, from: number, count: number, capturedAtMs: number, emit: Emit): void {
    const mono = chain.mono.subarray(0, count);
    takeChannel(chunk.samples, chunk.channels, this.options.channel, from, count, mono, this.defects);
    chain.dcBlocker.process(mono);
    this.expected += count;
    this.unreported += count;
    this.lastCapturedAtMs = capturedAtMs;
    this.emitChunk(chain, chain.resampler.push(mono), emit);
  }

  private emitChunk(chain: Chain, samples: Float32Array, emit: Emit): void {
    if (samples.length === 0) return;
    const { resampler, streamId, rateHz } = chain;
    const notNeededYet = this.expected - this.segmentStart - resampler.dependsOn;
    const item: ConditionedChunk = {
      kind: 'chunk',
      streamId,
      samples,
      sampleRateHz: this.options.modelRateHz,
      startSample: resampler.nextIndex - samples.length,
      capturedAtMs: this.lastCapturedAtMs - msOf(notNeededYet, rateHz),
      clippedSamples: this.defects.clipped,
      nonFiniteSamples: this.defects.nonFinite,
      sourceSamples: this.unreported,
    };
    this.defects.clipped = this.defects.nonFinite = this.unreported = 0;
    emit(item);
  }

  private gap(chain: Chain, gap: AudioGap, emit: Emit): void {
    const end = Math.max(this.expected, gap.startSample + gap.lengthSamples);
    this.finishSegment(chain, emit);
    const startSample = chain.resampler.nextIndex;
    const lengthSamples = toTargetIndex(end, chain.resampler.ratio) - startSample;
    this.startSegment(chain, end);
    emit({ kind: 'gap', streamId: gap.streamId, sampleRateHz: this.options.modelRateHz, startSample, lengthSamples, reason: gap.reason, capturedAtMs: gap.capturedAtMs });
  }

  private startSegment(chain: Chain, sourceIndex: number): void {
    this.expected = this.segmentStart = sourceIndex;
    chain.resampler.reset(sourceIndex);
    chain.dcBlocker.reset();
  }

  private finishSegment(chain: Chain, emit: Emit): void {
    this.emitChunk(chain, chain.resampler.flush(), emit);
  }
}

function checkCounter(item: CaptureItem): void {
  const { streamId, kind, startSample } = item;
  if (!isCount(startSample)) throw invalidChunk(streamId, `a ${kind} starts at sample ${startSample}; allowed: an integer ≥ 0`);
  if (item.kind === 'gap' && !isCount(item.lengthSamples)) throw invalidChunk(streamId, `a gap is ${item.lengthSamples} samples long; allowed: an integer ≥ 0`);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function msOf(samples: number, rateHz: number): number {
  return (samples * 1000) / rateHz;
}
