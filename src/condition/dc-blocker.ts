/** Removes the constant part of a signal: a first-order high-pass, y[n] = g·(x[n] − x[n−1]) + r·y[n−1]. */

export class DcBlocker {
  private readonly r: number;
  private readonly gain: number;
  private previousIn = 0;
  private previousOut = 0;
  private primed = false;

  /** @param cornerHz frequency of −3 dB (bilinear transform), below half of sampleRateHz; 0 = off. */
  constructor(cornerHz: number, sampleRateHz: number) {
    const warped = Math.tan((Math.PI * cornerHz) / sampleRateHz);
    this.r = (1 - warped) / (1 + warped);
    this.gain = cornerHz === 0 ? 0 : (1 + this.r) / 2;
  }

  /** The next sample starts afresh: it counts as if it had been there forever, so a constant offset gives no transient. */
  reset(): void {
    this.primed = false;
  }

  /** Filters in place. */
  process(samples: Float32Array): void {
    if (this.gain === 0 || samples.length === 0) return;
    if (!this.primed) {
      this.previousIn = samples[0]!;
      this.previousOut = 0;
      this.primed = true;
    }
    const { r, gain } = this;
    let [previousIn, previousOut] = [this.previousIn, this.previousOut];
    for (let i = 0; i < samples.length; i++) {
      const x = samples[i]!;
      previousOut = gain * (x - previousIn) + r * previousOut;
      previousIn = x;
      samples[i] = previousOut;
    }
    this.previousIn = previousIn;
    // Below this the tail would sink into denormal numbers, which are slow.
    this.previousOut = Math.abs(previousOut) < 1e-30 ? 0 : previousOut;
  }
}
