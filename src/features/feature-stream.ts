/**
 * One stream's features: conditioned items in; frames for display, windows for the model, gaps and the end out.
 *
 * Window k of a segment (a stretch without gaps) covers frames [k·windowHopFrames, + windowFrames). Frames are computed
 * once; a window costs its normalisation and its descriptors only. A clip that ends before its first window is full is
 * repeated cyclically to fill one.
 */
import type { ConditionedChunk, ConditionedGap, ConditionedItem } from '../condition/types.js';
import { DescriptorTracker } from './descriptors.js';
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
  private readonly logPower: TailBuffer;
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
    this.logPower = new TailBuffer(2 * (params.windowFrames + params.windowHopFrames) * mel.nMels);
    this.frames = new SegmentFrames(mel, new MelTransform(mel), this.samples, this.logPower);
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
    this.discard();
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
    if (past < 0 || past % windowHopFrames !== 0) return;
    this.window(this.logPower.store, past, Math.max(0, this.frames.supportStart(past)), 1, emit);
    this.segmentWindows += 1;
  }

  private showFrames(emit: Emit): void {
    const { mel } = this.params;
    const columns = this.frames.count - this.framesShown;
    if (columns === 0) return;
    const melDb = this.logPower.view(this.framesShown * mel.nMels, this.frames.count * mel.nMels).slice();
    for (let i = 0; i < melDb.length; i++) if (melDb[i]! < this.displayFloorDb) melDb[i] = this.displayFloorDb;
    const startSample = this.segmentStart + this.framesShown * mel.hopLength + (mel.center ? 0 : mel.nFft / 2);
    this.framesShown = this.frames.count;
    emit({ kind: 'frames', streamId: this.streamId, startSample, melDb, columns, nMels: mel.nMels });
  }

  /** @param start first sample that the window depends on, from the segment's start. */
  private window(logPower: { values: Float32Array; origin: number }, firstFrame: number, start: number, filledRatio: number, emit: Emit): void {
    const { mel, windowFrames } = this.params;
    const support = this.frames.supportStart(Math.min(firstFrame + windowFrames, this.frames.count) - 1) + mel.winLength;
    const end = Math.min(this.samples.end, support);
    const descriptors = this.descriptors.describe(start, end, filledRatio);
    const input = new Float32Array(mel.nMels * windowFrames);
    this.normaliser.apply(logPower.values, logPower.origin + firstFrame * mel.nMels, descriptors.rms, input);
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
    const { mel, windowFrames } = this.params;
    const { count } = this.frames;
    const frames = this.logPower.view(0, count * mel.nMels);
    const tiled = new Float32Array(windowFrames * mel.nMels);
    for (let at = 0; at < tiled.length; at += frames.length) tiled.set(frames.subarray(0, tiled.length - at), at);
    this.window({ values: tiled, origin: 0 }, 0, 0, count / windowFrames, emit);
  }

  private discard(): void {
    const { windowFrames, windowHopFrames, mel } = this.params;
    const { count } = this.frames;
    const nextWindow = count < windowFrames ? 0 : (Math.floor((count - windowFrames) / windowHopFrames) + 1) * windowHopFrames;
    const start = Math.max(0, this.frames.supportStart(nextWindow));
    this.descriptors.discardBefore(start);
    this.samples.discardBefore(Math.min(start, this.frames.oldestNeeded, this.descriptors.oldestNeeded));
    this.logPower.discardBefore(Math.min(nextWindow, this.framesShown) * mel.nMels);
  }

  private clear(): void {
    this.samples.clear();
    this.logPower.clear();
    this.frames.reset();
    this.descriptors.reset();
    this.segmentWindows = 0;
    this.framesShown = 0;
  }
}
