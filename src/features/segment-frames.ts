/**
 * The incremental STFT of one segment (a stretch of sound without gaps): samples in, log mel frames out, each
 * computed once, as soon as the last sample under its analysis window is there. Equals the offline transform of the
 * whole segment frame for frame, edge padding included.
 */
import { paddedIndex } from './edge-padding.js';
import type { FrameHistory } from './frame-history.js';
import { frameCount } from './mel-spectrogram.js';
import type { MelTransform } from './mel-transform.js';
import { supportOffsetSamples } from './params.js';
import type { TailBuffer } from './tail-buffer.js';
import type { MelParams } from './types.js';

export class SegmentFrames {
  /** Where frame 0's analysis window starts, in samples from the segment's start; negative when centred. */
  private readonly firstSupport: number;
  private readonly support: Float32Array;

  /**
   * @param samples the segment's samples from 0 on, appended by the caller.
   * @param history receives the frames: 10·log10 of the mel power.
   */
  constructor(
    private readonly mel: MelParams,
    private readonly transform: MelTransform,
    private readonly samples: TailBuffer,
    private readonly history: FrameHistory,
  ) {
    this.firstSupport = supportOffsetSamples(mel) - (mel.center ? mel.nFft / 2 : 0);
    this.support = new Float32Array(mel.winLength);
  }

  /** Frames computed so far. */
  get count(): number {
    return this.history.end;
  }

  /** First sample under the analysis window of a frame, from the segment's start; may be negative or beyond the end at the edges. */
  supportStart(frame: number): number {
    return this.firstSupport + frame * this.mel.hopLength;
  }

  /** Computes the next frame if its samples are there; false when it must wait for more. */
  next(): boolean {
    const received = this.samples.end;
    if (received < this.samplesNeeded(this.count)) return false;
    this.compute(this.count, received);
    return true;
  }

  /** After the segment's last sample: computes the next of the frames that reach beyond the end; false when there are no more. */
  nextAtEnd(): boolean {
    const length = this.samples.end;
    if (this.count >= frameCount(length, this.mel)) return false;
    this.compute(this.count, length);
    return true;
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
    // A frame is counted when the sample at its centre, or the end just before it, is there.
    return Math.max(1, start + winLength, mirrored, frame * hopLength);
  }

  private compute(frame: number, length: number): void {
    const start = this.supportStart(frame);
    const { winLength, padMode } = this.mel;
    const { values: out, stride } = this.history;
    const column = this.history.add();
    if (start >= 0 && start + winLength <= length) {
      const { values, origin } = this.samples.store;
      this.transform.melLogPower(values, origin + start, out, column, stride);
      return;
    }
    for (let i = 0; i < winLength; i++) {
      const index = paddedIndex(start + i, length, padMode);
      this.support[i] = index < 0 ? 0 : this.samples.at(index);
    }
    this.transform.melLogPower(this.support, 0, out, column, stride);
  }
}
