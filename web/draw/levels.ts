/** Which decibels the spectrogram's colours span: what is on screen decides, in steps, so that it seldom jumps. */
import type { Ring } from '../data/ring.js';

export interface DbRange {
  minDb: number;
  maxDb: number;
}

const STEP_DB = 5;
/** Narrower ranges would blow up the noise of a silent stream. */
const MIN_SPAN_DB = 40;
/** Wider ones would hide the heart sounds under one loud knock or digital silence. */
const MAX_SPAN_DB = 60;
/** Only every nth value is looked at: the percentiles of thousands don't need all. */
const STRIDE = 7;

/** The range from the 10th to the 99.8th percentile, widened to steps and limited in span; undefined without data. */
export function suggestRange(columns: Ring): DbRange | undefined {
  const values: number[] = [];
  const total = (columns.end - columns.start) * columns.width;
  for (let i = 0; i < total; i += STRIDE) {
    const value = columns.at(columns.start + Math.floor(i / columns.width), i % columns.width);
    if (!Number.isNaN(value)) values.push(value);
  }
  if (values.length === 0) return undefined;
  values.sort((a, b) => a - b);
  const high = values[Math.floor(0.998 * (values.length - 1))]!;
  const low = values[Math.floor(0.1 * (values.length - 1))]!;
  const maxDb = STEP_DB * Math.ceil(high / STEP_DB);
  const span = Math.min(MAX_SPAN_DB, Math.max(MIN_SPAN_DB, STEP_DB * Math.ceil((maxDb - low) / STEP_DB)));
  return { minDb: maxDb - span, maxDb };
}

/** Keeps the current range unless the suggestion is at least two steps away: a wandering level must not flicker. */
export function settleRange(current: DbRange | undefined, suggested: DbRange): DbRange {
  if (current === undefined) return suggested;
  const far = Math.max(Math.abs(current.maxDb - suggested.maxDb), Math.abs(current.minDb - suggested.minDb));
  return far >= 2 * STEP_DB ? suggested : current;
}
