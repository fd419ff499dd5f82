/** `stethostream evaluate`: any model package on any folder of labelled recordings, by the code that serves live streams. */
import { resolve } from 'node:path';
import { StageError } from '../common/stage-error.js';
import { OnnxEngine } from '../inference/engines/onnx.js';
import { loadModelPackage, type ModelPackage } from '../inference/model-package.js';
import { loadAudio, type LoadedRecording, type SkippedRecording } from './audio-cache.js';
import { clipWindows } from './clip-windows.js';
import type { FloorName } from './floors.js';
import { LABELS } from './label-map.js';
import { openDataset } from './datasets/open-dataset.js';
import { foldedFloors } from './results.js';
import { signThresholds, summariseDataset, type ClipPrediction, type DatasetSummary } from './summary.js';

export interface EvaluateOptions {
  /** Folder of recordings in any form that openDataset knows, e.g. with manifest.csv. */
  folder: string;
  /** Folder of the model package. */
  model: string;
  /** Data sets of the manifest to evaluate; default all. */
  datasets?: readonly string[];
  /** At most so many recordings per data set, evenly over the manifest; default all. */
  limit?: number;
  /** Also compute the floors (majority, length alone, mean spectrum), by 5 folds over subjects; default true. */
  floors?: boolean;
  /** Of the bootstrap and the floors' folds; default 1. */
  seed?: number;
  /** Bootstrap resamples; default 1000. */
  resamples?: number;
  /** Threads of ONNX Runtime; default the engine's. */
  threads?: number;
}

export interface EvaluateHooks {
  onProgress?: (phase: string, done: number, total: number) => void;
  onSkip?: (skipped: SkippedRecording) => void;
  /** See loadAudio. */
  onUncached?: (warning: string) => void;
}

/** One data set's part of the JSON. */
export interface DatasetEvaluation extends Omit<DatasetSummary, 'scored'> {
  /** Share of clips whose mean confidence reaches the model's unknownBelow, and accuracy among them. */
  answered: { share: number; accuracy: number };
  floors: Record<FloorName, Pick<DatasetSummary, 'accuracy' | 'balancedAccuracy' | 'macroF1' | 'auroc'>> | null;
}

export interface EvaluationResult {
  model: { name: string; version: string; folder: string };
  folder: string;
  datasets: Record<string, DatasetEvaluation>;
  skipped: SkippedRecording[];
  predictions: ClipPrediction[];
}

/** Throws StageErrors: TRAINING_MANIFEST_…, TRAINING_LABEL_UNKNOWN, TRAINING_NO_AUDIO, TRAINING_MODEL_LABELS, INFERENCE_…. */
export async function runEvaluate(options: EvaluateOptions, hooks: EvaluateHooks = {}): Promise<EvaluationResult> {
  const listed = chosen(options);
  const model = await loadModelPackage(resolve(options.model));
  const { recordings, skipped } = await loadAudio(listed, model.manifest.features, {
    ...(hooks.onSkip ? { onSkip: hooks.onSkip } : {}),
    ...(hooks.onUncached ? { onUncached: hooks.onUncached } : {}),
    onProgress: (done, total) => hooks.onProgress?.('audio', done, total),
  });
  const predictions = await predictPackage(model, recordings, { ...options, onProgress: (done, total) => hooks.onProgress?.('model', done, total) });
  const datasets: EvaluationResult['datasets'] = {};
  for (const name of [...new Set(recordings.map((r) => r.dataset))]) {
    const of = <T extends { dataset: string }>(items: readonly T[]) => items.filter((item) => item.dataset === name);
    datasets[name] = evaluateDataset(of(recordings), of(predictions), model, options);
  }
  return { model: { name: model.manifest.name, version: model.manifest.version, folder: model.folder }, folder: resolve(options.folder), datasets, skipped, predictions };
}

/** Predictions of a package for whole clips: mean of the calibrated probabilities over the clip's windows. */
export async function predictPackage(
  model: ModelPackage,
  recordings: readonly LoadedRecording[],
  options: { threads?: number; onProgress?: (done: number, total: number) => void } = {},
): Promise<ClipPrediction[]> {
  const order = labelOrder(model);
  const engine = new OnnxEngine(options.threads === undefined ? {} : { threads: options.threads });
  await engine.load(model);
  try {
    const predictions: ClipPrediction[] = [];
    for (const [index, recording] of recordings.entries()) {
      predictions.push(await predictClip(engine, model, recording, order));
      options.onProgress?.(index + 1, recordings.length);
    }
    return predictions;
  } finally {
    await engine.close();
  }
}

async function predictClip(engine: OnnxEngine, model: ModelPackage, recording: LoadedRecording, order: readonly number[]): Promise<ClipPrediction> {
  const windows = clipWindows(recording.pcm, model.manifest.features);
  const probabilities = LABELS.map(() => 0);
  for (let from = 0; from < windows.length; from += 8) {
    const batch = windows.slice(from, from + 8);
    const out = await engine.run(concatenated(batch), batch.length);
    out.forEach((p, i) => {
      const label = order[i % order.length] ?? 0;
      probabilities[label] = (probabilities[label] ?? 0) + p / windows.length;
    });
  }
  const { file, dataset, site, group, label, set, durationS } = recording;
  return { file, dataset, site, group, label, set, durationS, windows: windows.length, probabilities };
}

function concatenated(windows: readonly Float32Array[]): Float32Array {
  const size = windows[0]?.length ?? 0;
  const all = new Float32Array(size * windows.length);
  windows.forEach((window, i) => all.set(window, i * size));
  return all;
}

/** Index in LABELS of each of the model's labels. Throws TRAINING_MODEL_LABELS. */
export function labelOrder(model: ModelPackage): number[] {
  return model.manifest.labels.map((label) => {
    const index = (LABELS as readonly string[]).indexOf(label);
    if (index >= 0) return index;
    throw new StageError({
      code: 'TRAINING_MODEL_LABELS',
      stage: 'training',
      message: `the model ${model.manifest.name} has the label "${label}", evaluation knows ${LABELS.join(', ')}`,
      remedy: 'Evaluate a model with those labels, or extend src/training/label-map.ts.',
    });
  });
}

function chosen(options: EvaluateOptions) {
  const listed = openDataset(options.folder).recordings.filter((r) => r.set !== 0);
  const names = [...new Set(listed.map((r) => r.dataset))];
  const missing = (options.datasets ?? []).filter((name) => !names.includes(name));
  if (missing.length > 0 || listed.length === 0) {
    throw new StageError({
      code: 'TRAINING_DATASET_MISSING',
      stage: 'training',
      message: missing.length > 0 ? `${options.folder} holds no labelled recording of ${missing.join(', ')}` : `${options.folder} holds no labelled recording`,
      remedy: names.length > 0 ? `Choose among ${names.join(', ')}.` : 'Give the recordings labels.',
    });
  }
  return names
    .filter((name) => options.datasets === undefined || options.datasets.includes(name))
    .flatMap((name) => thinned(listed.filter((r) => r.dataset === name), options.limit));
}

function thinned<T>(items: readonly T[], limit: number | undefined): T[] {
  if (limit === undefined || items.length <= limit) return [...items];
  return Array.from({ length: limit }, (_, i) => items[Math.floor((i * items.length) / limit)] as T);
}

function evaluateDataset(recordings: readonly LoadedRecording[], predictions: readonly ClipPrediction[], model: ModelPackage, options: EvaluateOptions): DatasetEvaluation {
  const { seed = 1, resamples = 1000, floors = true } = options;
  const { unknownBelow } = model.manifest.thresholds;
  const thresholds = signThresholds(model.manifest.thresholds);
  const summary = summariseDataset(predictions, thresholds, seed, resamples);
  const answered = predictions.filter((p) => Math.max(...p.probabilities) >= unknownBelow);
  const { n, subjects, accuracy, balancedAccuracy, macroF1, auroc, macc, calibrationError, classes, confusion, coverage } = summary;
  return {
    n,
    subjects,
    accuracy,
    balancedAccuracy,
    macroF1,
    auroc,
    macc,
    calibrationError,
    classes,
    confusion,
    coverage,
    answered: {
      share: answered.length / predictions.length,
      accuracy: answered.length > 0 ? summariseDataset(answered, thresholds, seed, 1).accuracy.value : NaN,
    },
    floors: floors ? trivialFloors(recordings, model, seed) : null,
  };
}

function trivialFloors(recordings: readonly LoadedRecording[], model: ModelPackage, seed: number): DatasetEvaluation['floors'] {
  const summaries = foldedFloors(recordings, (r) => r.label, model.manifest.features, seed);
  if (summaries === null) return null;
  const brief = ({ accuracy, balancedAccuracy, macroF1, auroc }: DatasetSummary) => ({ accuracy, balancedAccuracy, macroF1, auroc });
  return { majority: brief(summaries.majority), length: brief(summaries.length), meanSpectrum: brief(summaries.meanSpectrum) };
}
