/**
 * Keeps a device's sample counter in step with time: gives each chunk its place on the counter and its UTC time, and
 * notices samples that went missing without notice.
 *
 * Chunks never arrive early, only late by varying amounts; the smallest lateness of the last 10–20 s therefore marks
 * the true line "sample n was captured at time t" and follows the drift between the device's clock and ours. Chunks
 * that stay later than that line for a while mean that samples are missing, and by how many; a burst after a pause is
 * not mistaken for it, since it catches up.
 */

/** Where a chunk belongs. */
export interface Placed {
  /** Samples lost before the chunk; 0 = none. The chunk starts after them. */
  lostBefore: number;
  /** Index of the chunk's first sample on the counter, lost ones included. */
  startSample: number;
  /** UTC time of the chunk's last sample, ms. */
  capturedAtMs: number;
}

/** Lateness that counts as loss, ms; and after a reported overrun, when some loss is certain. */
export const SLIP_MS = 200;
const SLIP_AFTER_OVERRUN_MS = 15;
/** How long chunks must stay late before it counts, ms. */
export const SLIP_PROOF_MS = 1000;
const BUCKET_MS = 10_000;

export class CaptureClock {
  readonly #rateHz: number;
  /** UTC minus monotonic time, ms. */
  readonly #utcOffsetMs: number;
  #position = 0;
  /** Smallest (arrival − sample time) of the bucket before, and of this one. */
  #lastBest = Infinity;
  #best = Infinity;
  #bucketEndMs = -Infinity;
  #lateSinceMs: number | undefined;
  #leastLateMs = Infinity;
  #overrunPending = false;

  /** @param utcOffsetMs what to add to the arrival times given to `place` to get UTC ms. */
  constructor(rateHz: number, utcOffsetMs: number) {
    this.#rateHz = rateHz;
    this.#utcOffsetMs = utcOffsetMs;
  }

  /**
   * @param frames samples per channel of the chunk.
   * @param arrivalMs monotonic time at which it was read.
   * @param knownLost samples known to be lost just before it.
   * @param overrun true when an unknown number was lost as well.
   */
  place(frames: number, arrivalMs: number, knownLost = 0, overrun = false): Placed {
    this.#overrunPending ||= overrun;
    const slipped = this.#slip(frames + knownLost, arrivalMs);
    const lostBefore = knownLost + slipped;
    const startSample = this.#position + lostBefore;
    this.#position = startSample + frames;
    this.#learn(arrivalMs);
    const capturedAtMs = this.#line() + this.#sampleMs(this.#position) + this.#utcOffsetMs;
    return { lostBefore, startSample, capturedAtMs };
  }

  /** Samples to insert since the last second's chunks were all too late. */
  #slip(frames: number, arrivalMs: number): number {
    const late = arrivalMs - this.#sampleMs(this.#position + frames) - this.#line();
    if (!(late >= (this.#overrunPending ? SLIP_AFTER_OVERRUN_MS : SLIP_MS))) {
      this.#lateSinceMs = undefined;
      this.#leastLateMs = Infinity;
      return 0;
    }
    this.#lateSinceMs ??= arrivalMs;
    this.#leastLateMs = Math.min(this.#leastLateMs, late);
    if (arrivalMs - this.#lateSinceMs < SLIP_PROOF_MS) return 0;
    const lost = Math.round((this.#leastLateMs / 1000) * this.#rateHz);
    this.#lateSinceMs = undefined;
    this.#leastLateMs = Infinity;
    this.#overrunPending = false;
    return lost;
  }

  #learn(arrivalMs: number): void {
    if (arrivalMs >= this.#bucketEndMs) {
      this.#lastBest = this.#best;
      this.#best = Infinity;
      this.#bucketEndMs = arrivalMs + BUCKET_MS;
    }
    this.#best = Math.min(this.#best, arrivalMs - this.#sampleMs(this.#position));
  }

  #line(): number {
    return Math.min(this.#best, this.#lastBest);
  }

  #sampleMs(sample: number): number {
    return (sample / this.#rateHz) * 1000;
  }
}
