/**
 * What each format of a model costs: the same clips, window by window, through the source's weights as fp32 on ONNX
 * Runtime and through every exported file, each on the runtime of its users.
 */
import { calibratedSoftmax } from '../../inference/calibrate.js';
import type { ModelPackage } from '../../inference/model-package.js';
import type { LoadedRecording } from '../audio-cache.js';
import { clipWindows } from '../clip-windows.js';
import { labelOrder } from '../evaluate.js';
import { LABELS } from '../label-map.js';
import { argMax } from '../metrics.js';
import { signThresholds, summariseDataset, type ClipPrediction, type SignThresholds } from '../summary.js';
import { onnxExport } from './onnx.js';
import { openRunner, type Runner } from './runners.js';
import type { ExportSource } from './source.js';
import type { ExportFormat } from './types.js';

/** A written format to measure. */
export interface CostedFormat {
  format: ExportFormat;
  /** File or folder. */
  path: string;
  description: string;
  bytes: number;
}

/** Over windows or clips: a difference is the largest over the labels, in probability. */
export interface Difference {
  mean: number;
  largest: number;
}

export interface FormatCost {
  format: ExportFormat;
  description: string;
  bytes: number;
  accuracy: number;
  macroF1: number;
  /** Murmur or abnormal against normal; null where the data set lacks either. */
  auroc: number | null;
  windowDifference: Difference;
  clipDifference: Difference;
  /** Clips whose likeliest label is another one than by the reference. */
  changedLabels: number;
}

export interface DatasetCosts {
  clips: number;
  windows: number;
  formats: FormatCost[];
}

/** The content of costs.json. */
export interface FormatCosts {
  model: string;
  version: string;
  reference: string;
  /** Folder that fixed the scales of a static onnx-int8. */
  calibratedOn: string | null;
  datasets: Record<string, DatasetCosts>;
}

export interface CostOptions {
  /** Null where onnx-int8 is weight-only. */
  calibratedOn: string | null;
  onProgress?: (done: number, total: number) => void;
}

/** A source that is a package: accuracy needs its label names and thresholds. */
export type PackageSource = ExportSource & { model: ModelPackage };

/** What one format said, in the order of the recordings. */
interface Said {
  predictions: ClipPrediction[];
  /** Per recording. */
  windowDifferences: number[][];
}

/** Throws TRAINING_MODEL_LABELS and what a runtime throws. */
export async function measureCosts(source: PackageSource, formats: readonly CostedFormat[], recordings: readonly LoadedRecording[], { calibratedOn, onProgress }: CostOptions): Promise<FormatCosts> {
  const { name, version, thresholds } = source.model.manifest;
  const nothing = (): Said => ({ predictions: [], windowDifferences: [] });
  const reference = nothing();
  // The fp32 file holds the very bytes of the reference: it need not be run twice.
  const said = formats.map(({ format }) => (format === 'onnx-fp32' ? reference : nothing()));
  const others = formats.filter(({ format }) => format !== 'onnx-fp32');
  const runners: Runner[] = [];
  try {
    runners.push(await openRunner('onnx-fp32', onnxExport(source, 'fp32').files[0]!.data as Uint8Array, source));
    for (const { format, path } of others) runners.push(await openRunner(format, path, source));
    for (const [index, recording] of recordings.entries()) {
      await judge(recording, source, runners, [reference, ...said.filter((one) => one !== reference)]);
      onProgress?.(index + 1, recordings.length);
    }
  } finally {
    for (const runner of runners) await runner.close();
  }
  const datasets = [...new Set(recordings.map((r) => r.dataset))].map((dataset): [string, DatasetCosts] => {
    const indices = Array.from(recordings.keys()).filter((i) => recordings[i]!.dataset === dataset);
    const windows = indices.reduce((sum, i) => sum + reference.predictions[i]!.windows, 0);
    return [dataset, { clips: indices.length, windows, formats: formats.map((format, f) => cost(format, said[f]!, reference, indices, signThresholds(thresholds))) }];
  });
  return { model: name, version, reference: 'the package’s weights as fp32 on ONNX Runtime', calibratedOn, datasets: Object.fromEntries(datasets) };
}

/** One clip through all; the first runner is the reference. Windows live no longer than their clip. */
async function judge(recording: LoadedRecording, source: PackageSource, runners: readonly Runner[], said: readonly Said[]): Promise<void> {
  const windows = clipWindows(recording.pcm, source.features);
  const order = labelOrder(source.model);
  let reference: Float32Array[] = [];
  for (const [r, runner] of runners.entries()) {
    const rows: Float32Array[] = [];
    for (const window of windows) rows.push(calibratedSoftmax(await runner.run(window), source.labels.length, source.temperature));
    if (r === 0) reference = rows;
    said[r]!.predictions.push(prediction(recording, rows, order));
    said[r]!.windowDifferences.push(rows.map((row, i) => difference(row, reference[i]!)));
  }
}

/** As `evaluate`: the mean of the windows' probabilities. */
function prediction({ file, dataset, site, group, label, set, durationS }: LoadedRecording, rows: readonly Float32Array[], order: readonly number[]): ClipPrediction {
  const probabilities = LABELS.map(() => 0);
  for (const row of rows) row.forEach((p, i) => (probabilities[order[i]!] = probabilities[order[i]!]! + p / rows.length));
  return { file, dataset, site, group, label, set, durationS, windows: rows.length, probabilities };
}

function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}

function cost({ format, description, bytes }: CostedFormat, said: Said, reference: Said, indices: readonly number[], thresholds: SignThresholds): FormatCost {
  const predictions = indices.map((i) => said.predictions[i]!);
  const { accuracy, macroF1, auroc } = summariseDataset(predictions, thresholds, 1, 1);
  const pairs = indices.map((i) => [said.predictions[i]!.probabilities, reference.predictions[i]!.probabilities] as const);
  return {
    format,
    description,
    bytes,
    accuracy: accuracy.value,
    macroF1: macroF1.value,
    auroc: auroc?.value ?? null,
    windowDifference: summarised(indices.flatMap((i) => said.windowDifferences[i]!)),
    clipDifference: summarised(pairs.map(([a, b]) => difference(a, b))),
    changedLabels: pairs.filter(([a, b]) => argMax(a) !== argMax(b)).length,
  };
}

function summarised(differences: readonly number[]): Difference {
  let [sum, largest] = [0, 0];
  for (const d of differences) {
    sum += d;
    largest = Math.max(largest, d);
  }
  return { mean: sum / differences.length, largest };
}
