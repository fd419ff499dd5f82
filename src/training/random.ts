/** Seeded random numbers: every draw of training comes from here, so that a seed repeats a run exactly. */

/** A small, fast generator (sfc32) with the distributions that training needs. */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  /** Any number of integers; equal seeds give equal sequences, different ones unrelated sequences. */
  constructor(...seeds: number[]) {
    this.a = hashIntegers(seeds, 0x9e3779b9);
    this.b = hashIntegers(seeds, 0x243f6a88);
    this.c = hashIntegers(seeds, 0xb7e15162);
    for (let i = 0; i < 12; i++) this.next();
  }

  /** Uniform in [0, 1). */
  next(): number {
    const t = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + t) | 0;
    return (t >>> 0) / 4294967296;
  }

  /** Uniform in [low, high). */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** Integer in 0 … count − 1. */
  integer(count: number): number {
    return Math.floor(this.next() * count);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** Standard normal (Box–Muller, one value per call). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }

  /** Beta(α, α) by Jöhnk's method, meant for α ≤ 1 as mixup uses. */
  symmetricBeta(alpha: number): number {
    for (;;) {
      const x = Math.pow(this.next(), 1 / alpha);
      const y = Math.pow(this.next(), 1 / alpha);
      if (x + y > 0 && x + y <= 1) return x / (x + y);
    }
  }

  /** Shuffles in place (Fisher–Yates) and returns the array. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const kept = items[i] as T;
      items[i] = items[j] as T;
      items[j] = kept;
    }
    return items;
  }

  /** Index drawn with probability proportional to its share of a running sum that ends in the total. */
  fromCumulative(cumulative: ArrayLike<number>): number {
    const target = this.next() * (cumulative[cumulative.length - 1] ?? 0);
    let low = 0;
    let high = cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((cumulative[middle] ?? 0) > target) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** 32-bit mix of integers (murmur3 finaliser between words). */
function hashIntegers(values: readonly number[], salt: number): number {
  let hash = salt | 0;
  for (const value of values) {
    hash = Math.imul(hash ^ (value | 0), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return hash | 0;
}
