/**
 * Smoothing of one stream's probabilities and hysteresis of its label: a label that flickers is no help, and one that
 * lags is worse, so the smoother forgets with a time constant and a challenger must lead by a margin to take over.
 */

export interface SmoothingOptions {
  /** Time constant of the exponential average in ms; 0 = no smoothing. */
  timeConstantMs: number;
  /** A challenger's smoothed probability must exceed the held label's by this much, 0…1. */
  margin: number;
}

export const defaultSmoothing: SmoothingOptions = { timeConstantMs: 500, margin: 0.1 };

export interface Smoothed {
  /** Index of the label held after hysteresis. */
  index: number;
  /** Its smoothed probability. */
  confidence: number;
}

/** State of one stream. Feed it every window in order; `reset` after a gap. */
export class LabelSmoother {
  private average: Float64Array | null = null;
  private held = -1;
  private lastEndMs = 0;

  constructor(private readonly options: SmoothingOptions = defaultSmoothing) {}

  /**
   * @param probabilities the window's calibrated probabilities.
   * @param endMs position of the window's end on the stream's own clock, in ms (sample index over rate).
   */
  push(probabilities: Float32Array, endMs: number): Smoothed {
    if (!this.average || this.average.length !== probabilities.length) {
      this.average = Float64Array.from(probabilities);
    } else {
      const { timeConstantMs } = this.options;
      const elapsedMs = Math.max(0, endMs - this.lastEndMs);
      const keep = timeConstantMs > 0 ? Math.exp(-elapsedMs / timeConstantMs) : 0;
      for (let i = 0; i < probabilities.length; i++) {
        this.average[i] = keep * this.average[i]! + (1 - keep) * probabilities[i]!;
      }
    }
    this.lastEndMs = endMs;
    this.held = this.choose(this.average);
    return { index: this.held, confidence: this.average[this.held]! };
  }

  reset(): void {
    this.average = null;
    this.held = -1;
  }

  private choose(average: Float64Array): number {
    const best = indexOfMax(average);
    if (this.held < 0) return best;
    return average[best]! > average[this.held]! + this.options.margin ? best : this.held;
  }
}

/** Index of the largest value (the first of equals). */
export function indexOfMax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}
