/**
 * Extrasystole against normal, and against *clean* normal alone. PASCAL B's extrasystole clips are cleaner than its
 * sub-label `noisynormal`, so a model that hears noise seems to know rhythm; against clean clips it can't (see
 * docs/experiments.md). The score is P(extrasystole) among extrasystole and normal.
 */
import type { LoadedRecording } from './audio-cache.js';
import { bootstrapByGroup, type Interval } from './bootstrap.js';
import { EXTRASYSTOLE, NORMAL } from './label-map.js';
import { auroc } from './metrics.js';
import { massOf, type ClipPrediction } from './summary.js';

/** AUROCs with 95 % intervals by subject. */
export interface ExtrasystoleFigures {
  clips: number;
  againstNormal: Interval;
  /** Without the normal recordings that carry a sub-label (`noisynormal`); null where none carries one. */
  againstCleanNormal: Interval | null;
  cleanNormals: number;
}

/** Null where either class is missing. */
export function extrasystoleFigures(predictions: readonly ClipPrediction[], recordings: readonly LoadedRecording[], seed: number, resamples: number): ExtrasystoleFigures | null {
  const noisy = new Set(recordings.filter(({ set, sublabel }) => set === NORMAL && sublabel !== '').map(({ file }) => file));
  const both = predictions.filter(({ set }) => set === NORMAL || set === EXTRASYSTOLE);
  const clean = both.filter(({ file }) => !noisy.has(file));
  const count = (set: number, from: readonly ClipPrediction[]) => from.filter((p) => p.set === set).length;
  if (count(EXTRASYSTOLE, both) === 0 || count(NORMAL, both) === 0) return null;
  const figure = (from: readonly ClipPrediction[]) => bootstrapByGroup(from.map(({ group }) => group), (drawn) => areaOf(drawn.map((i) => from[i] as ClipPrediction)), seed, resamples);
  return {
    clips: count(EXTRASYSTOLE, both),
    againstNormal: figure(both),
    againstCleanNormal: noisy.size > 0 && count(NORMAL, clean) > 0 ? figure(clean) : null,
    cleanNormals: count(NORMAL, clean),
  };
}

function areaOf(predictions: readonly ClipPrediction[]): number {
  const score = ({ probabilities }: ClipPrediction) => massOf(probabilities, EXTRASYSTOLE) / (massOf(probabilities, EXTRASYSTOLE | NORMAL) + 1e-12);
  return auroc(predictions.map(({ set }) => set === EXTRASYSTOLE), predictions.map(score));
}
