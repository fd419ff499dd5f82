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
/** Only every nth column is looked at: the percentiles of thousands of values don't need all. */
const COLUMN_STRIDE = 3;

/** The range from the 10th to the 99.8th percentile, widened to steps and limited in span; undefined without data. */
export function suggestRange(columns: Ring): DbRange | undefined {
  const values = sortedValues(columns);
  if (values.length === 0) return undefined;
  const high = values[Math.floor(0.998 * (values.length - 1))]!;
  const low = values[Math.floor(0.1 * (values.length - 1))]!;
  // + 0 turns −0 into 0.
  const maxDb = STEP_DB * Math.ceil(high / STEP_DB) + 0;
  const span = Math.min(MAX_SPAN_DB, Math.max(MIN_SPAN_DB, STEP_DB * Math.ceil((maxDb - low) / STEP_DB)));
  return { minDb: maxDb - span, maxDb };
}

function sortedValues(columns: Ring): Float32Array {
  const values = new Float32Array(Math.ceil(columns.capacity / COLUMN_STRIDE) * columns.width);
  let count = 0;
  for (let slot = columns.start; slot < columns.end; slot += COLUMN_STRIDE) {
    for (let band = 0; band < columns.width; band += 1) {
      const value = columns.at(slot, band);
      if (!Number.isNaN(value)) values[count++] = value;
    }
  }
  return values.subarray(0, count).sort();
}

/** Keeps the current range unless the suggestion is at least two steps away: a wandering level must not flicker. */
export function settleRange(current: DbRange | undefined, suggested: DbRange): DbRange {
  if (current === undefined) return suggested;
  const far = Math.max(Math.abs(current.maxDb - suggested.maxDb), Math.abs(current.minDb - suggested.minDb));
  return far >= 2 * STEP_DB ? suggested : current;
}
