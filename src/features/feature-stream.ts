/**
 * One stream's features: conditioned items in; frames for display, windows for the model, gaps and the end out.
 *
 * Window k of a segment (a stretch without gaps) covers frames [k·windowHopFrames, + windowFrames). Frames are computed
 * once, when the window or the display block that they complete is due; a window costs its normalisation and its
 * descriptors only. A clip that ends before its first window is full is
 * repeated cyclically to fill one.
 */
import type { ConditionedChunk, ConditionedGap, ConditionedItem } from '../condition/types.js';
import { DescriptorTracker } from './descriptors.js';
import { FrameHistory } from './frame-history.js';
import { BATCH_FRAMES, MelKernel } from './kernel/mel-kernel.js';
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
  private readonly kernel: MelKernel;
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
    const { mel, db, windowFrames, windowHopFrames } = params;
    const stride = 2 * Math.max(windowFrames, windowHopFrames) + BATCH_FRAMES;
    this.kernel = new MelKernel(params, stride);
    this.samples = new TailBuffer(2 * supportSpanSamples(params));
    this.history = new FrameHistory(this.kernel.history, stride, mel.nMels);
    this.frames = new SegmentFrames(mel, this.kernel, this.samples, this.history);
    this.descriptors = new DescriptorTracker(mel.sampleRateHz, this.samples);
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
    while (this.frames.ready(this.nextDue)) this.advance(this.nextDue, emit);
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
    const { countAtEnd } = this.frames;
    while (this.frames.count < countAtEnd) this.advance(Math.min(this.nextDue, countAtEnd), emit);
    this.showFrames(emit);
  }

  /** First frame of the next window. */
  private get nextWindow(): number {
    return this.segmentWindows * this.params.windowHopFrames;
  }

  /** Number of frames at which something is to be emitted next. */
  private get nextDue(): number {
    return Math.min(this.nextWindow + this.params.windowFrames, this.framesShown + this.params.windowHopFrames);
  }

  private advance(frames: number, emit: Emit): void {
    this.frames.computeTo(frames);
    const { windowFrames, windowHopFrames } = this.params;
    if (frames === this.framesShown + windowHopFrames) this.showFrames(emit);
    if (frames === this.nextWindow + windowFrames) {
      this.window(1, emit);
      this.segmentWindows += 1;
    }
    this.history.discardBefore(Math.min(this.nextWindow, this.framesShown));
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

  /** @param endFrame one past the last real frame that the window depends on. */
  private window(filledRatio: number, emit: Emit, endFrame = this.nextWindow + this.params.windowFrames): void {
    const { mel } = this.params;
    const start = Math.max(0, this.frames.supportStart(this.nextWindow));
    const end = Math.min(this.samples.end, this.frames.supportStart(endFrame - 1) + mel.winLength);
    const descriptors = this.descriptors.describe(start, end, filledRatio);
    const input = this.kernel.normalise(this.history.column(this.nextWindow), descriptors.rms);
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
    const clip = this.frames.count;
    this.history.tileTo(windowFrames);
    this.window(clip / windowFrames, emit, clip);
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
