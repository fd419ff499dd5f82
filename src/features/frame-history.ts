/** The newest log mel frames of a segment, band-major as the model wants them, so that a window is read in rows. */

export class FrameHistory {
  /** Frame in column 0. */
  private base = 0;
  private oldest = 0;
  private endFrame = 0;

  /**
   * @param values nMels rows of `stride` frames, written by whoever adds frames.
   * @param stride more than the frames that are ever kept and added at a time.
   */
  constructor(
    private readonly values: Float32Array,
    private readonly stride: number,
    private readonly nMels: number,
  ) {}

  /** Frames ever added. */
  get end(): number {
    return this.endFrame;
  }

  /** Adds `count` frames and returns the column of the first: band b of frame t goes to values[b · stride + column + t]. */
  add(count: number): number {
    if (this.endFrame - this.base + count > this.stride) this.compact();
    this.endFrame += count;
    return this.endFrame - count - this.base;
  }

  /** Column of a frame that is still kept; valid until the next add. */
  column(frame: number): number {
    return frame - this.base;
  }

  /** Frames before `frame` will not be asked for again. */
  discardBefore(frame: number): void {
    this.oldest = Math.max(this.oldest, Math.min(frame, this.endFrame));
  }

  /** A copy of frames [start, end), frame-major. */
  frameMajor(start: number, end: number): Float32Array {
    const { nMels, stride, values } = this;
    const out = new Float32Array((end - start) * nMels);
    for (let frame = start, o = 0; frame < end; frame++) {
      for (let band = 0, i = this.column(frame); band < nMels; band++, i += stride) out[o++] = values[i]!;
    }
    return out;
  }

  /** Adds copies of the frames so far, cyclically, until there are `frames` in all (none may have been discarded). */
  tileTo(frames: number): void {
    const clip = this.endFrame;
    const column = this.add(frames - clip);
    for (let row = 0; row < this.values.length; row += this.stride) {
      for (let t = clip; t < frames; t++) this.values[row + column + t - clip] = this.values[row + this.column(t % clip)]!;
    }
  }

  clear(): void {
    this.base = this.oldest = this.endFrame = 0;
  }

  private compact(): void {
    const [from, to] = [this.oldest - this.base, this.endFrame - this.base];
    for (let row = 0; row < this.values.length; row += this.stride) this.values.copyWithin(row, row + from, row + to);
    this.base = this.oldest;
  }
}
