/** The newest log mel frames of a segment, band-major as the model wants them, so that a window is read in rows. */

export class FrameHistory {
  /** nMels rows of `stride` frames. */
  readonly values: Float32Array;
  readonly stride: number;
  /** Frame in column 0. */
  private base = 0;
  private oldest = 0;
  private endFrame = 0;

  /** @param keepFrames most frames that are ever kept at a time. */
  constructor(
    private readonly nMels: number,
    keepFrames: number,
  ) {
    this.stride = 2 * (keepFrames + 1);
    this.values = new Float32Array(nMels * this.stride);
  }

  /** Frames ever added. */
  get end(): number {
    return this.endFrame;
  }

  /** Adds a frame and returns its column: band b goes to values[column + b · stride]. */
  add(): number {
    if (this.endFrame - this.base === this.stride) this.compact();
    return this.endFrame++ - this.base;
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

  /** All frames so far, band-major in rows of `frames`, repeated cyclically. */
  tiled(frames: number): Float32Array {
    const out = new Float32Array(this.nMels * frames);
    for (let band = 0, o = 0; band < this.nMels; band++) {
      for (let t = 0; t < frames; t++) out[o++] = this.values[band * this.stride + this.column(t % this.endFrame)]!;
    }
    return out;
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
