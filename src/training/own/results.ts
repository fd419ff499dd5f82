/** What a run of the recipe `own` leaves: figures, floors and predictions, and their table for a terminal. */
import type { FeatureParams } from '../../features/index.js';
import type { LoadedRecording } from '../audio-cache.js';
import { toPredictions, type ClipLogits } from '../clip-logits.js';
import type { Precision } from '../engine/fast-math.js';
import type { CurvePoint } from '../fit.js';
import { floorPredictions, sitePredictions, type FloorName } from '../floors.js';
import { evenThreshold } from '../even-threshold.js';
import { figure, FLOOR_TITLES, interval } from '../format.js';
import type { Vocabulary } from '../label-map.js';
import { siteSummaries } from '../report/report-data.js';
import { ONE_HALF, summariseDataset, type ClipPrediction, type DatasetSummary } from '../summary.js';
import type { OwnFold } from './division.js';
import type { OwnLabels } from './labels.js';

/** What a fold's training leaves on disk. */
export interface OwnFoldResult {
  curve: CurvePoint[];
  seconds: number;
  logits: { validation: ClipLogits[]; threshold: ClipLogits[] };
}

/** One fold in figures. */
export interface OwnFoldFigures {
  training: number;
  threshold: { clips: number; value: number };
  validation: number;
  accuracy: number;
  macroF1: number;
  auroc: number | null;
  macc: number | null;
}

/** results.json of a run. */
export interface OwnResults {
  preset: 'own';
  dataset: string;
  vocabulary: Vocabulary;
  /** Name of the normal label, where one says so. */
  normal: string | null;
  /** What the weights of each fold started from. */
  start: string;
  precision: Precision;
  /** Recordings whose subject is not known: each counts as one. */
  withoutSubject: number;
  folds: OwnFoldFigures[];
  summary: DatasetSummary;
  bySite: Record<string, DatasetSummary>;
  floors: Record<FloorName, DatasetSummary>;
  /** From the site alone; null where there is only one. */
  siteFloor: DatasetSummary | null;
  curves: Record<string, CurvePoint[]>;
  secondsTrained: number;
  predictions: ClipPrediction[];
}

export interface OwnOutcome {
  recordings: readonly LoadedRecording[];
  labels: OwnLabels;
  folds: readonly OwnFold[];
  results: readonly OwnFoldResult[];
  start: string;
  precision: OwnResults['precision'];
  params: FeatureParams;
  seed: number;
}

export function collectOwn({ recordings, labels, folds, results, start, precision, params, seed }: OwnOutcome): OwnResults {
  const { vocabulary, normal } = labels;
  const summarise = (predictions: readonly ClipPrediction[], resamples = 1000) => summariseDataset(predictions, ONE_HALF, seed, resamples, vocabulary);
  const judged = folds.map((fold, i) => judgeFold(recordings, fold, results[i] as OwnFoldResult, vocabulary));
  const predictions = judged.flatMap((fold) => fold.predictions);
  const floors = floorPredictions(recordings, folds, params, { vocabulary, ownThresholds: true });
  const sites = new Set(recordings.map((r) => r.site)).size;
  return {
    preset: 'own',
    dataset: recordings[0]?.dataset ?? '',
    vocabulary,
    normal,
    start,
    precision,
    withoutSubject: recordings.filter((r) => r.subject === '').length,
    folds: folds.map((fold, i) => {
      const { predictions: own = [], threshold = 0.5 } = judged[i] ?? {};
      const { accuracy, macroF1, auroc, macc } = summarise(own, 1);
      return {
        training: fold.training.length,
        threshold: { clips: fold.threshold.length, value: threshold },
        validation: own.length,
        accuracy: accuracy.value,
        macroF1: macroF1.value,
        auroc: auroc?.value ?? null,
        macc: macc?.value ?? null,
      };
    }),
    summary: summarise(predictions),
    bySite: siteSummaries(predictions, ONE_HALF, seed, vocabulary),
    floors: { majority: summarise(floors.majority), length: summarise(floors.length), meanSpectrum: summarise(floors.meanSpectrum) },
    siteFloor: sites > 1 ? summarise(sitePredictions(recordings, folds, { vocabulary, ownThresholds: true })) : null,
    curves: Object.fromEntries(results.map(({ curve }, i) => [`fold-${i + 1}`, curve])),
    secondsTrained: results.reduce((sum, { seconds }) => sum + seconds, 0),
    predictions,
  };
}

/** The fold's threshold comes from clips that it neither trained on nor is judged by; .5 where none were kept for it. */
function judgeFold(recordings: readonly LoadedRecording[], fold: OwnFold, { logits }: OwnFoldResult, vocabulary: Vocabulary): { threshold: number; predictions: ClipPrediction[] } {
  const of = (indices: readonly number[]) => indices.map((i) => recordings[i] as LoadedRecording);
  const threshold = evenThreshold(toPredictions(of(fold.threshold), logits.threshold, 1), vocabulary);
  return { threshold, predictions: toPredictions(of(fold.validation), logits.validation, 1).map((p) => ({ ...p, threshold })) };
}

/** Figures, floors, sites, classes and confusion as plain text. */
export function ownTable({ dataset, vocabulary, summary, bySite, floors, siteFloor }: OwnResults): string {
  const floorRows = Object.entries(floors).map(([name, s]) => [`floor: ${FLOOR_TITLES[name] ?? name}`, s] as const);
  const rows: (readonly [string, DatasetSummary])[] = [
    [dataset, summary],
    ...floorRows,
    ...(siteFloor ? [['floor: site alone', siteFloor] as const] : []),
    ...Object.entries(bySite).map(([name, s]) => [`site ${name}`, s] as const),
  ];
  const { actual, predicted, counts } = summary.confusion;
  return [
    aligned([
      ['', 'clips', 'subjects', 'accuracy', 'balanced accuracy', 'macro-F1', 'AUROC', '(sens. + spec.) / 2'],
      ...rows.map(([name, s]) => [name, String(s.n), String(s.subjects), ...[s.accuracy, s.balancedAccuracy, s.macroF1, s.auroc, s.macc].map(interval)]),
    ]),
    ...(summary.auroc ? [`AUROC and (sens. + spec.) / 2: ${vocabulary.contrast}. In brackets: 95 % intervals by subject.`] : []),
    '',
    aligned([['class', 'clips', 'recall', 'precision', 'F1', 'AUROC against the rest'], ...summary.classes.map((c) => [c.name, String(c.clips), ...[c.recall, c.precision, c.f1, c.auroc].map(interval)])]),
    '',
    aligned([['is \\ called', ...predicted], ...counts.map((row, i) => [actual[i] ?? '', ...row.map(String)])]),
    '',
    `accuracy of the most confident: ${summary.coverage.map((c) => `${Math.round(100 * c.coverage)} % ${figure(c.accuracy)}`).join(', ')}`,
  ].join('\n');
}

function aligned(rows: readonly (readonly string[])[]): string {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(width(i)) : cell.padStart(width(i)))).join('  ')).join('\n');
}
