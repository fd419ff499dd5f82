/**
 * Streaming resampler: any rate to any rate, by a polyphase FIR evaluated only where an output lies.
 *
 * Output n stands for the instant n / toHz, so delay is compensated: outputs come lookAheadSamples source samples late
 * and in their right place. How the input is cut into chunks makes no difference to any output bit.
 */
import { polyphaseLowPass, type PolyphaseLowPass } from './low-pass.js';
import { rateRatio, sourcePosition, toTargetIndex, type RateRatio } from './rate-ratio.js';

export class StreamingResampler {
  /** Source samples after an output's instant that it depends on. */
  readonly lookAheadSamples: number;
  readonly ratio: RateRatio;
  private readonly filter: PolyphaseLowPass | null;
  /** Source samples from `bufferStart` on (counted from the segment's start; `before` zeros precede it). */
  private buffer = new Float32Array(0);
  private bufferStart = 0;
  private filled = 0;
  /** Where the next output lies: whole + numerator / up source samples after the segment's start. */
  private whole = 0;
  private numerator = 0;
  private output = new Float32Array(0);
  private nextTarget = 0;
  private received = 0;

  /** Throws CONDITION_RATE_INVALID. */
  constructor(fromHz: number, toHz: number) {
    this.ratio = rateRatio(fromHz, toHz);
    const same = this.ratio.up === 1 && this.ratio.down === 1;
    this.filter = same ? null : polyphaseLowPass(fromHz, toHz, this.ratio.up);
    this.lookAheadSamples = this.filter?.after ?? 0;
    this.reset();
  }

  /** Index of the next output on the target counter. */
  get nextIndex(): number {
    return this.nextTarget;
  }

  /** Source samples, counted from the segment's start, that the outputs so far depend on: one past the newest. */
  get dependsOn(): number {
    if (!this.filter || this.nextTarget === this.firstTarget) return this.received;
    const { up, down } = this.ratio;
    const lastWhole = Math.floor(this.whole + (this.numerator - down) / up);
    return Math.min(this.received, lastWhole + this.filter.after + 1);
  }

  private firstTarget = 0;

  /** Forgets everything; the next input sample is number `sourceIndex` of the source counter. Before it lies silence. */
  reset(sourceIndex = 0): void {
    this.nextTarget = this.firstTarget = toTargetIndex(sourceIndex, this.ratio);
    const { whole, numerator } = sourcePosition(this.nextTarget, sourceIndex, this.ratio);
    this.whole = whole;
    this.numerator = numerator;
    this.received = 0;
    this.filled = this.filter?.before ?? 0;
    this.bufferStart = -this.filled;
    if (this.buffer.length < this.filled) this.buffer = new Float32Array(2 * this.filled);
    this.buffer.fill(0, 0, this.filled);
  }

  /** Takes source samples; returns the outputs that they complete, valid until the next call. */
  push(input: Float32Array): Float32Array {
    this.received += input.length;
    if (!this.filter) {
      this.nextTarget += input.length;
      return input;
    }
    this.append(input);
    return this.produce(this.filter, Infinity);
  }

  /** The outputs still due, as if silence followed: those whose instants lie before the end of the input. */
  flush(): Float32Array {
    if (!this.filter) return new Float32Array(0);
    this.append(new Float32Array(this.filter.after));
    return this.produce(this.filter, this.received);
  }

  private append(input: Float32Array): void {
    const needed = this.filled + input.length;
    if (needed > this.buffer.length) {
      const grown = new Float32Array(2 * needed);
      grown.set(this.buffer.subarray(0, this.filled));
      this.buffer = grown;
    }
    this.buffer.set(input, this.filled);
    this.filled = needed;
  }

  /** Evaluates every output whose taps have arrived and whose instant lies before source sample `endWhole`. */
  private produce(filter: PolyphaseLowPass, endWhole: number): Float32Array {
    const { up, down } = this.ratio;
    const [stepWhole, stepNumerator] = [Math.floor(down / up), down % up];
    const limit = Math.min(this.bufferStart + this.filled - filter.after, endWhole);
    this.makeRoom(limit - this.whole);
    let count = 0;
    while (this.whole < limit) {
      this.output[count++] = this.evaluate(filter, this.whole - filter.before - this.bufferStart);
      this.whole += stepWhole;
      this.numerator += stepNumerator;
      if (this.numerator >= up) {
        this.numerator -= up;
        this.whole += 1;
      }
    }
    this.nextTarget += count;
    this.discard(this.whole - filter.before - this.bufferStart);
    return this.output.subarray(0, count);
  }

  private evaluate(filter: PolyphaseLowPass, start: number): number {
    const { taps, coefficients } = filter;
    if (!filter.interpolated) return dot(coefficients, this.numerator * taps, this.buffer, start, taps);
    const position = (this.numerator / this.ratio.up) * filter.phases;
    const phase = Math.floor(position);
    const low = dot(coefficients, phase * taps, this.buffer, start, taps);
    const high = dot(coefficients, (phase + 1) * taps, this.buffer, start, taps);
    return low + (position - phase) * (high - low);
  }

  private makeRoom(sourceSamples: number): void {
    const outputs = Math.max(0, Math.ceil((sourceSamples * this.ratio.up) / this.ratio.down) + 2);
    if (outputs > this.output.length) this.output = new Float32Array(2 * outputs);
  }

  /** Drops the oldest `count` buffered samples (all, where the next output lies beyond what has come). */
  private discard(count: number): void {
    const dropped = Math.min(count, this.filled);
    if (dropped <= 0) return;
    this.buffer.copyWithin(0, dropped, this.filled);
    this.filled -= dropped;
    this.bufferStart += dropped;
  }
}

function dot(a: Float32Array, aStart: number, b: Float32Array, bStart: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[aStart + i]! * b[bStart + i]!;
  return sum;
}
