/** The newest part of an endless sequence of numbers, addressed by absolute index and always contiguous in memory. */

export class TailBuffer {
  private values: Float32Array;
  /** Absolute index of values[0]. */
  private base = 0;
  /** Absolute index of the oldest value still kept. */
  private oldest = 0;
  private endIndex = 0;

  constructor(initialCapacity: number) {
    this.values = new Float32Array(Math.max(16, initialCapacity));
  }

  /** One past the newest value; = how many have ever been appended. */
  get end(): number {
    return this.endIndex;
  }

  at(index: number): number {
    return this.values[index - this.base]!;
  }

  append(values: Float32Array): void {
    this.extend(values.length).set(values);
  }

  /** Makes room for `count` new values and returns the place to write them (stale numbers until then). */
  extend(count: number): Float32Array {
    const start = this.reserve(count);
    this.endIndex += count;
    return this.values.subarray(start, start + count);
  }

  /** The values [start, end), valid until the next append or extend; both must still be kept. */
  view(start: number, end: number): Float32Array {
    return this.values.subarray(start - this.base, end - this.base);
  }

  /** The whole store and where value 0 would lie in it, for callers that index themselves; valid until the next append or extend. */
  get store(): { values: Float32Array; origin: number } {
    return { values: this.values, origin: -this.base };
  }

  /** Values before `index` will not be asked for again. */
  discardBefore(index: number): void {
    this.oldest = Math.max(this.oldest, Math.min(index, this.endIndex));
  }

  clear(): void {
    this.base = this.oldest = this.endIndex = 0;
  }

  /** Room at the end, by moving what is kept to the front or into a larger store; returns where new values go. */
  private reserve(count: number): number {
    if (this.endIndex - this.base + count > this.values.length) {
      const kept = this.values.subarray(this.oldest - this.base, this.endIndex - this.base);
      // Twice what is needed, so that a move happens once per many appends.
      const larger = 2 * (kept.length + count) > this.values.length ? new Float32Array(4 * (kept.length + count)) : this.values;
      larger.set(kept);
      this.values = larger;
      this.base = this.oldest;
    }
    return this.endIndex - this.base;
  }
}
