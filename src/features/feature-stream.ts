/**
 * One stream's features: conditioned items in; frames for display, windows for the model, gaps and the end out.
 *
 * Window k of a segment (a stretch without gaps) covers frames [k·windowHopFrames, + windowFrames). Frames are computed
 * once; a window costs its normalisation and its descriptors only. A clip that ends before its first window is full is
 * repeated cyclically to fill one.
 */
import type { ConditionedChunk, ConditionedGap, ConditionedItem } from '../condition/types.js';
import { DescriptorTracker } from './descriptors.js';
import { FrameHistory } from './frame-history.js';
import { MelTransform } from './mel-transform.js';
import { WindowNormaliser } from './normalise.js';
import { supportSpanSamples, validateFeatureParams } from './params.js';
import { SegmentFrames } from './segment-frames.js';
import { TailBuffer } from './tail-buffer.js';
import type { FeatureItem, FeatureParams } from './types.js';

/** Decibels below which display frames show nothing, unless `amin` lies lower. */
const DISPLAY_FLOOR_DB = -100;

type Emit = (item: FeatureItem) => void;

export class FeatureStream {
  private readonly samples: TailBuffer;
  private readonly history: FrameHistory;
  private readonly frames: SegmentFrames;
  private readonly descriptors: DescriptorTracker;
  private readonly normaliser: WindowNormaliser;
  private readonly displayFloorDb: number;
  private streamId = '';
  /** Stream sample at which the segment starts. */
  private segmentStart = 0;
  private segmentWindows = 0;
  private framesShown = 0;
  private seq = 0;
  private capturedAtMs = 0;

  /** Throws FEATURES_PARAM_INVALID. */
  constructor(private readonly params: FeatureParams) {
    validateFeatureParams(params);
    const { mel, db } = params;
    this.samples = new TailBuffer(2 * supportSpanSamples(params));
    this.history = new FrameHistory(mel.nMels, Math.max(params.windowFrames, params.windowHopFrames));
    this.frames = new SegmentFrames(mel, new MelTransform(mel), this.samples, this.history);
    this.descriptors = new DescriptorTracker(mel.sampleRateHz, this.samples);
    this.normaliser = new WindowNormaliser(params);
    this.displayFloorDb = Math.min(DISPLAY_FLOOR_DB, 10 * Math.log10(db.amin));
  }

  push(item: ConditionedItem, emit: Emit): void {
    if (item.kind === 'chunk') this.chunk(item, emit);
    else if (item.kind === 'gap') this.gap(item, emit);
    else this.end(item.streamId, emit);
  }

  private chunk(chunk: ConditionedChunk, emit: Emit): void {
    if (this.samples.end === 0) this.segmentStart = chunk.startSample;
    this.streamId = chunk.streamId;
    this.capturedAtMs = chunk.capturedAtMs;
    this.samples.append(chunk.samples);
    this.descriptors.take(chunk);
    while (this.frames.next()) this.afterFrame(emit);
    this.discardSamples();
  }

  private gap(gap: ConditionedGap, emit: Emit): void {
    this.finishSegment(emit);
    this.clear();
    const { streamId, startSample, lengthSamples, sampleRateHz, reason, capturedAtMs } = gap;
    emit({ kind: 'gap', streamId, startSample, lengthSamples, sampleRateHz, reason, capturedAtMs });
  }

  private end(streamId: string, emit: Emit): void {
    this.finishSegment(emit);
    if (this.segmentWindows === 0 && this.frames.count > 0) this.tiledWindow(emit);
    this.clear();
    emit({ kind: 'end', streamId });
  }

  /** Frames that reach beyond the segment's end, and what is left to show. */
  private finishSegment(emit: Emit): void {
    while (this.frames.nextAtEnd()) this.afterFrame(emit);
    this.showFrames(emit);
  }

  private afterFrame(emit: Emit): void {
    const { windowFrames, windowHopFrames } = this.params;
    const { count } = this.frames;
    if (count - this.framesShown === windowHopFrames) this.showFrames(emit);
    const past = count - windowFrames;
    if (past >= 0 && past % windowHopFrames === 0) {
      const { values, stride } = this.history;
      this.window(values, this.history.column(past), stride, past, 1, emit);
      this.segmentWindows += 1;
    }
    this.history.discardBefore(Math.min(this.nextWindow, this.framesShown));
  }

  /** First frame of the next window. */
  private get nextWindow(): number {
    return this.segmentWindows * this.params.windowHopFrames;
  }

  private showFrames(emit: Emit): void {
    const { mel } = this.params;
    const columns = this.frames.count - this.framesShown;
    if (columns === 0) return;
    const melDb = this.history.frameMajor(this.framesShown, this.frames.count);
    for (let i = 0; i < melDb.length; i++) if (melDb[i]! < this.displayFloorDb) melDb[i] = this.displayFloorDb;
    const startSample = this.segmentStart + this.framesShown * mel.hopLength + (mel.center ? 0 : mel.nFft / 2);
    this.framesShown = this.frames.count;
    emit({ kind: 'frames', streamId: this.streamId, startSample, melDb, columns, nMels: mel.nMels });
  }

  /** @param logPower the window's frames: band b, frame t at `at + b · stride + t`. */
  private window(logPower: Float32Array, at: number, stride: number, firstFrame: number, filledRatio: number, emit: Emit): void {
    const { mel, windowFrames } = this.params;
    const lastFrame = Math.min(firstFrame + windowFrames, this.frames.count) - 1;
    const start = Math.max(0, this.frames.supportStart(firstFrame));
    const end = Math.min(this.samples.end, this.frames.supportStart(lastFrame) + mel.winLength);
    const descriptors = this.descriptors.describe(start, end, filledRatio);
    const input = new Float32Array(mel.nMels * windowFrames);
    this.normaliser.apply(logPower, at, stride, descriptors.rms, input);
    emit({
      kind: 'window',
      streamId: this.streamId,
      seq: this.seq++,
      startSample: this.segmentStart + start,
      endSample: this.segmentStart + end,
      sampleRateHz: mel.sampleRateHz,
      capturedAtMs: this.capturedAtMs - ((this.samples.end - end) * 1000) / mel.sampleRateHz,
      input,
      descriptors,
    });
  }

  private tiledWindow(emit: Emit): void {
    const { windowFrames } = this.params;
    this.window(this.history.tiled(windowFrames), 0, windowFrames, 0, this.frames.count / windowFrames, emit);
  }

  private discardSamples(): void {
    const start = Math.max(0, this.frames.supportStart(this.nextWindow));
    this.descriptors.discardBefore(start);
    this.samples.discardBefore(Math.min(start, this.frames.oldestNeeded, this.descriptors.oldestNeeded));
  }

  private clear(): void {
    this.samples.clear();
    this.history.clear();
    this.descriptors.reset();
    this.segmentWindows = 0;
    this.framesShown = 0;
  }
}
