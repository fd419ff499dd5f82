/** The history as blocks: one per prediction for drawing, and runs of equal labels for reading aloud and hovering. */
import type { HistoryEntry } from './model.js';

/** The time one prediction stands for: from the one before it, or one hop where that one is missing. */
export interface Block {
  fromMs: number;
  toMs: number;
  entry: HistoryEntry;
}

/** Neighbouring blocks of one label. */
export interface Run {
  label: string;
  fromMs: number;
  toMs: number;
  windows: number;
  meanConfidence: number;
  meanQuality: number;
}

/** A prediction that comes later than this many hops after the one before it leaves a hole. */
const HOLE_HOPS = 2.5;

/** @param history ascending by endMs @param hopMs distance between windows */
export function blocksOf(history: readonly HistoryEntry[], hopMs: number): Block[] {
  return history.map((entry, i) => {
    const before = history[i - 1];
    const adjoins = before !== undefined && entry.endMs - before.endMs <= HOLE_HOPS * hopMs;
    return { fromMs: adjoins ? before.endMs : entry.endMs - hopMs, toMs: entry.endMs, entry };
  });
}

/** Merges blocks that touch and carry the same label. */
export function runsOf(blocks: readonly Block[]): Run[] {
  const runs: Run[] = [];
  for (const { fromMs, toMs, entry } of blocks) {
    const last = runs.at(-1);
    if (last !== undefined && last.label === entry.label && last.toMs === fromMs) {
      last.meanConfidence += (entry.confidence - last.meanConfidence) / (last.windows + 1);
      last.meanQuality += (entry.qualityScore - last.meanQuality) / (last.windows + 1);
      last.windows += 1;
      last.toMs = toMs;
    } else {
      const { label, confidence, qualityScore } = entry;
      runs.push({ label, fromMs, toMs, windows: 1, meanConfidence: confidence, meanQuality: qualityScore });
    }
  }
  return runs;
}

/** Index of the run at a time, or -1. */
export function runAt(runs: readonly Run[], timeMs: number): number {
  return runs.findIndex((run) => timeMs >= run.fromMs && timeMs < run.toMs);
}
