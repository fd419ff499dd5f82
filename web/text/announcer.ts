/** Decides what the live region says: changes of the selected stream's label, not faster than a listener can follow. */

/** Least time between two announcements in ms. */
export const ANNOUNCE_EVERY_MS = 5000;

export class Announcer {
  private lastKey = '';
  private lastAtMs = Number.NEGATIVE_INFINITY;

  /**
   * @param key what was announced last differs from this when there is news, e.g. `stream/label`
   * @param text what to say
   * @returns the text when it is to be said now; otherwise undefined, and the next call may say it
   */
  offer(key: string, text: string, nowMs: number): string | undefined {
    if (key === this.lastKey || nowMs - this.lastAtMs < ANNOUNCE_EVERY_MS) return undefined;
    this.lastKey = key;
    this.lastAtMs = nowMs;
    return text;
  }
}
