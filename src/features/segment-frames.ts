/**
 * The incremental STFT of one segment (a stretch of sound without gaps): samples in, log mel frames out, each
 * computed once. Equals the offline transform of the whole segment frame for frame, edge padding included.
 */
import { paddedIndex } from './edge-padding.js';
import type { FrameHistory } from './frame-history.js';
import { BATCH_FRAMES, type MelKernel } from './kernel/mel-kernel.js';
import { frameCount } from './mel-spectrogram.js';
import { supportOffsetSamples } from './params.js';
import type { TailBuffer } from './tail-buffer.js';
import type { MelParams } from './types.js';

export class SegmentFrames {
  /** Where frame 0's analysis window starts, in samples from the segment's start; negative when centred. */
  private readonly firstSupport: number;

  /**
   * @param samples the segment's samples from 0 on, appended by the caller.
   * @param history receives the frames, over the kernel's memory.
   */
  constructor(
    private readonly mel: MelParams,
    private readonly kernel: MelKernel,
    private readonly samples: TailBuffer,
    private readonly history: FrameHistory,
  ) {
    this.firstSupport = supportOffsetSamples(mel) - (mel.center ? mel.nFft / 2 : 0);
  }

  /** Frames computed so far. */
  get count(): number {
    return this.history.end;
  }

  /** Frames of the segment if it ends here, those that reach beyond its end included. */
  get countAtEnd(): number {
    return frameCount(this.samples.end, this.mel);
  }

  /** First sample under the analysis window of a frame, from the segment's start; may be negative or beyond the end at the edges. */
  supportStart(frame: number): number {
    return this.firstSupport + frame * this.mel.hopLength;
  }

  /** Whether the samples are there for all frames before `end` (> count) that are not computed yet. */
  ready(end: number): boolean {
    // The need falls while mirrored samples at the start decide, then rises: its largest lies at one of the ends.
    return this.samples.end >= Math.max(this.samplesNeeded(this.count), this.samplesNeeded(end - 1));
  }

  /** Computes frames up to `end`, which must be ready, or at most countAtEnd when the segment ends here. */
  computeTo(end: number): void {
    const { hopLength, winLength } = this.mel;
    while (this.count < end) {
      const start = this.supportStart(this.count);
      const inside = start < 0 ? 0 : Math.floor((this.samples.end - winLength - start) / hopLength) + 1;
      const count = Math.min(end - this.count, BATCH_FRAMES, Math.max(1, inside));
      if (inside >= 1) this.copyInside(start, (count - 1) * hopLength + winLength);
      else this.copyPadded(start);
      this.kernel.frames(count, this.history.add(count));
    }
  }

  /** Oldest sample that a later frame may need. */
  get oldestNeeded(): number {
    // Reflection at the end looks back by up to one analysis window.
    return Math.max(0, this.supportStart(this.count) - this.mel.winLength);
  }

  private samplesNeeded(frame: number): number {
    const { center, winLength, hopLength, nFft, padMode } = this.mel;
    // Uncentred, librosa counts a frame only when all nFft samples are there.
    if (!center) return frame * hopLength + nFft;
    const start = this.supportStart(frame);
    const mirrored = padMode === 'reflect' && start < 0 ? 1 - start : 0;
    return Math.max(1, start + winLength, mirrored);
  }

  private copyInside(start: number, length: number): void {
    this.kernel.input.set(this.samples.view(start, start + length));
    this.kernel.input[length] = 0;
  }

  private copyPadded(start: number): void {
    const { winLength, padMode } = this.mel;
    const { input } = this.kernel;
    for (let i = 0; i < winLength; i++) {
      const index = paddedIndex(start + i, this.samples.end, padMode);
      input[i] = index < 0 ? 0 : this.samples.at(index);
    }
    input[winLength] = 0;
  }
}
