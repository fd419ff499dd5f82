/**
 * The newest part of an endless series of equal-sized slots (spectrogram columns, waveform pairs), addressed by
 * absolute slot number. What was never received is NaN. Memory is fixed at capacity × width values.
 */
export class Ring {
  private readonly values: Float32Array;
  /** One past the newest slot; 0 when nothing has come. */
  private endSlot = 0;
  private firstSlot = 0;

  /** @param capacity slots kept @param width values per slot */
  constructor(
    readonly capacity: number,
    readonly width: number,
  ) {
    this.values = new Float32Array(capacity * width).fill(Number.NaN);
  }

  /** One past the newest slot. */
  get end(): number {
    return this.endSlot;
  }

  /** Oldest slot that may hold data. */
  get start(): number {
    return Math.max(this.firstSlot, this.endSlot - this.capacity);
  }

  /**
   * Writes consecutive slots; `data` holds a whole number of them. Slots skipped since the last write become NaN.
   * Messages come in order, so a write wholly before the end means that the stream counts anew: everything is forgotten.
   * @returns true when that happened.
   */
  write(startSlot: number, data: Float32Array): boolean {
    const count = Math.floor(data.length / this.width);
    if (count === 0) return false;
    const restarted = this.endSlot > 0 && startSlot + count < this.endSlot;
    if (restarted || this.endSlot === 0) this.clear(startSlot);
    const skip = Math.max(0, count - this.capacity);
    this.blank(this.endSlot, startSlot + skip);
    for (let i = skip; i < count; i += 1) {
      this.values.set(data.subarray(i * this.width, (i + 1) * this.width), ((startSlot + i) % this.capacity) * this.width);
    }
    this.endSlot = Math.max(this.endSlot, startSlot + count);
    return restarted;
  }

  /** Value `offset` of a slot; NaN where nothing was received or it is out of reach. */
  at(slot: number, offset = 0): number {
    if (slot < this.start || slot >= this.endSlot) return Number.NaN;
    return this.values[(slot % this.capacity) * this.width + offset]!;
  }

  /** An independent copy, for a frozen display. */
  clone(): Ring {
    const copy = new Ring(this.capacity, this.width);
    copy.values.set(this.values);
    copy.endSlot = this.endSlot;
    copy.firstSlot = this.firstSlot;
    return copy;
  }

  private clear(startSlot: number): void {
    this.values.fill(Number.NaN);
    this.endSlot = startSlot;
    this.firstSlot = startSlot;
  }

  private blank(from: number, to: number): void {
    const first = Math.max(from, to - this.capacity);
    for (let slot = first; slot < to; slot += 1) {
      const at = (slot % this.capacity) * this.width;
      this.values.fill(Number.NaN, at, at + this.width);
    }
  }
}
