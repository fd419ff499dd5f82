/** Numbers and times as the reader sees them. */

/** UTC ms of an ISO 8601 time, or `fallbackMs` when it can't be read. */
export function timeOf(iso: string, fallbackMs: number): number {
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? fallbackMs : ms;
}

/** 0…1 → `81 %`; never 100 % or 0 % unless it is so. */
export function formatPercent(fraction: number): string {
  const percent = 100 * fraction;
  if (percent > 99 && percent < 100) return '>99 %';
  if (percent > 0 && percent < 1) return '<1 %';
  return `${String(Math.round(percent))} %`;
}

/** Local time of day, `14:03:05`. */
export function formatClock(ms: number): string {
  return new Date(ms).toLocaleTimeString('en-GB', { hour12: false });
}

/** `340 ms`, `2.1 s`, `45 s`, `3 min 5 s`. */
export function formatDurationMs(ms: number): string {
  if (ms < 995) return `${String(Math.round(ms))} ms`;
  const seconds = ms / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${String(Math.round(seconds))} s`;
  const whole = Math.round(seconds);
  return `${String(Math.floor(whole / 60))} min ${String(whole % 60)} s`;
}

/** First letter large: labels are machine words. */
export function titleCase(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
