/**
 * Looks again and again for work that has stood still, from a thread that is itself blocked for long (TensorFlow
 * computes on it): after a block, answers that have long arrived are still unread, so a look that comes late is left out.
 */
export class StallWatch {
  private timer: NodeJS.Timeout | undefined;
  private lastLookMs = 0;

  /**
   * @param limitMs standing still for so long is too long; looks are a quarter of it apart.
   * @param look gets the time, on performance.now()'s clock, since which something must have happened.
   */
  constructor(
    private readonly limitMs: number,
    private readonly look: (sinceMs: number) => void,
  ) {}

  /** Safe to call when it runs already. Does not keep the process alive. */
  start(): void {
    if (this.timer !== undefined) return;
    const everyMs = this.limitMs / 4;
    this.lastLookMs = performance.now();
    this.timer = setInterval(() => {
      const now = performance.now();
      const late = now - this.lastLookMs > 2 * everyMs;
      this.lastLookMs = now;
      if (!late) this.look(now - this.limitMs);
    }, everyMs).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
