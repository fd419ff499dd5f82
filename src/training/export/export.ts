/** `stethostream export`: a model in other formats, each run and compared before it is put in place. */
import { join, resolve } from 'node:path';
import { StageError } from '../../common/stage-error.js';
import { calibratedSoftmax } from '../../inference/calibrate.js';
import { loadAudio, type SkippedRecording } from '../audio-cache.js';
import { openDataset } from '../datasets/open-dataset.js';
import { calibrateActivations } from './calibrate-activations.js';
import { writeCostsToCard } from './costs-card.js';
import { measureCosts, type FormatCosts, type PackageSource } from './format-costs.js';
import { layersModelExport } from './layers-model.js';
import { onnxExport } from './onnx.js';
import { onnxInt8Export } from './onnx-int8.js';
import { place, refuseExisting } from './place.js';
import { obstacleToRunning, openRunner, type Runner } from './runners.js';
import { savedModelExport } from './saved-model.js';
import { readSource, type ExportSource } from './source.js';
import { EXPORT_FORMATS, inputSize, TARGETS, type ExportFormat, type Written } from './types.js';
import { calibrationWindows, checkWindows } from './windows.js';

/** Largest difference in probability that passes. int8 is lossy by design: its difference is reported, and only a broken file refused. */
const TOLERANCE: Readonly<Record<ExportFormat, number>> = { 'onnx-fp32': 1e-3, 'onnx-fp16': 1e-2, 'onnx-int8': 0.2, 'layers-model': 1e-3, 'saved-model': 1e-3 };
const TIMED_RUNS = 20;

export interface ExportOptions {
  /** Model package, run folder or weights.safetensors. */
  model: string;
  /** Folder; it is made. */
  output: string;
  /** Default all. */
  formats?: readonly ExportFormat[];
  /** Folder of recordings that fix the scales of a static onnx-int8; without it, onnx-int8 is weight-only. */
  calibrate?: string;
  /** Folder of labelled recordings to measure what each format costs; the source must be a package. */
  evaluate?: string;
  /** Only these data sets of `evaluate`. */
  datasets?: readonly string[];
  /** Put what `evaluate` found into the package's card. */
  card?: boolean;
  /** Overwrite. Default false. */
  force?: boolean;
}

export interface ExportedFormat {
  format: ExportFormat;
  path: string;
  description: string;
  bytes: number;
  /** Largest difference in probability to the source's weights as fp32 on ONNX Runtime; null where it could not be run. */
  largestDifference: number | null;
  /** Median of one window at a time; comparable within one export only. */
  msPerWindow: number | null;
  /** Why it was not run. */
  unchecked?: string;
}

export interface ExportResult {
  source: string;
  precision: string;
  output: string;
  formats: ExportedFormat[];
  /** With `evaluate`, of the formats that could be run; also in costs.json. */
  costs: FormatCosts | null;
  skipped: SkippedRecording[];
}

export interface ExportHooks {
  onProgress?: (phase: string, done: number, total: number) => void;
}

/** Throws TRAINING_EXPORT_…, TRAINING_OPTION_INVALID, INFERENCE_… and, for folders of recordings, what `evaluate` throws. */
export async function runExport(options: ExportOptions, hooks: ExportHooks = {}): Promise<ExportResult> {
  const formats = EXPORT_FORMATS.filter((format) => (options.formats ?? EXPORT_FORMATS).includes(format));
  const output = resolve(options.output);
  refuseExisting([...formats.map((format) => join(output, TARGETS[format])), join(output, 'export.json'), ...(options.evaluate === undefined ? [] : [join(output, 'costs.json')])], options.force === true);
  const source = await readSource(options.model);
  if (options.card === true && options.evaluate === undefined) throw invalid('--card needs figures', 'Name labelled recordings with --evaluate.');
  if (options.evaluate !== undefined && source.model === null) throw noPackage(source.path);
  const judged = options.evaluate === undefined ? null : await recordingsOf(options.evaluate, options.datasets, source);
  const ranges = options.calibrate !== undefined && formats.includes('onnx-int8') ? await calibrated(source, options.calibrate, hooks) : null;

  const windows = checkWindows(source);
  const expected = await probabilities(await openRunner('onnx-fp32', onnxExport(source, 'fp32').files[0]!.data as Uint8Array, source), windows, source);
  const exported: ExportedFormat[] = [];
  for (const [index, format] of formats.entries()) {
    const written = write(format, source, ranges);
    const target = join(output, TARGETS[format]);
    const checked = await place(target, written.files, (partial) => check(format, partial, source, windows, expected));
    exported.push({ format, path: target, description: written.description, bytes: written.files.reduce((sum, { data }) => sum + Buffer.byteLength(data), 0), ...checked });
    hooks.onProgress?.('export', index + 1, formats.length);
  }
  const result: ExportResult = { source: source.path, precision: source.precision, output, formats: exported, costs: null, skipped: judged?.skipped ?? [] };
  await writeJson(join(output, 'export.json'), description(source, result));
  if (judged === null) return result;
  const costs = await measureCosts(source as PackageSource, exported.filter(({ unchecked }) => unchecked === undefined), judged.recordings, {
    calibratedOn: ranges === null ? null : resolve(options.calibrate!),
    onProgress: (done, total) => hooks.onProgress?.('measuring costs', done, total),
  });
  await writeJson(join(output, 'costs.json'), costs);
  if (options.card === true) await writeCostsToCard(source.path, costs);
  return { ...result, costs };
}

function writeJson(file: string, value: unknown): Promise<void> {
  return place(file, [{ path: '', data: `${JSON.stringify(value, null, 2)}\n` }], () => Promise.resolve());
}

function write(format: ExportFormat, source: ExportSource, ranges: Awaited<ReturnType<typeof calibrateActivations>> | null): Written {
  switch (format) {
    case 'onnx-fp32':
      return onnxExport(source, 'fp32');
    case 'onnx-fp16':
      return onnxExport(source, 'fp16');
    case 'onnx-int8':
      return onnxInt8Export(source, ranges);
    case 'layers-model':
      return layersModelExport(source);
    case 'saved-model':
      return savedModelExport(source);
  }
}

async function calibrated(source: ExportSource, folder: string, hooks: ExportHooks) {
  const windows = await calibrationWindows(source, folder);
  return calibrateActivations(source, windows, (done) => hooks.onProgress?.('calibration', done, windows.length));
}

async function probabilities(runner: Runner, windows: readonly Float32Array[], source: ExportSource): Promise<Float32Array[]> {
  try {
    const all: Float32Array[] = [];
    for (const window of windows) all.push(calibratedSoftmax(await runner.run(window), source.labels.length, source.temperature));
    return all;
  } finally {
    await runner.close();
  }
}

/** Loads and runs what was written. Throws TRAINING_EXPORT_DISAGREES. */
async function check(format: ExportFormat, partial: string, source: ExportSource, windows: readonly Float32Array[], expected: readonly Float32Array[]) {
  const unchecked = obstacleToRunning(format);
  if (unchecked !== undefined) return { largestDifference: null, msPerWindow: null, unchecked };
  const found = await probabilities(await openRunner(format, partial, source), windows, source);
  const largestDifference = Math.max(...found.flatMap((row, i) => Array.from(row, (p, j) => Math.abs(p - expected[i]![j]!))));
  // Written so that NaN fails.
  if (!(largestDifference <= TOLERANCE[format])) {
    throw new StageError({ code: 'TRAINING_EXPORT_DISAGREES', stage: 'training', message: `${format} differs by ${largestDifference} in probability from the source, the limit is ${TOLERANCE[format]}; nothing was put in place`, remedy: format === 'onnx-int8' ? 'Calibrate on more varied recordings, or leave --calibrate out.' : 'Report it: a defect of the export.' });
  }
  return { largestDifference, msPerWindow: await medianMs(await openRunner(format, partial, source), windows[0]!) };
}

async function medianMs(runner: Runner, window: Float32Array): Promise<number> {
  try {
    await runner.run(window);
    const times: number[] = [];
    for (let i = 0; i < TIMED_RUNS; i++) {
      const startedAt = performance.now();
      await runner.run(window);
      times.push(performance.now() - startedAt);
    }
    return times.toSorted((a, b) => a - b)[TIMED_RUNS / 2]!;
  } finally {
    await runner.close();
  }
}

async function recordingsOf(folder: string, datasets: readonly string[] | undefined, source: ExportSource) {
  const labelled = openDataset(folder).recordings.filter((r) => r.set !== 0);
  const missing = (datasets ?? []).filter((name) => !labelled.some((r) => r.dataset === name));
  if (labelled.length === 0 || missing.length > 0) throw new StageError({ code: 'TRAINING_DATASET_MISSING', stage: 'training', message: `${folder} holds no labelled recording${missing.length === 0 ? '' : ` of ${missing.join(', ')}`}`, remedy: 'Name a folder and data sets that `stethostream evaluate` takes.' });
  return loadAudio(labelled.filter((r) => datasets === undefined || datasets.includes(r.dataset)), source.features);
}

/** What a user of the files must know. */
function description(source: ExportSource, { formats, precision }: ExportResult) {
  const { height, width } = inputSize(source);
  const about = formats.map(({ format, description: what, bytes, largestDifference }) => ({ format, path: TARGETS[format], description: what, bytes, largestDifference }));
  return { name: source.name, weights: precision, labels: source.labels, temperature: source.temperature, probabilities: 'softmax(logits / temperature)', input: { onnx: [null, 1, height, width], tensorflow: [null, height, width, 1] }, features: source.features, formats: about };
}

function noPackage(path: string): StageError {
  return invalid(`--evaluate needs a model package with its threshold, ${path} is none`, 'Name a model package, or leave --evaluate out.');
}

function invalid(message: string, remedy: string): StageError {
  return new StageError({ code: 'TRAINING_OPTION_INVALID', stage: 'training', message, remedy });
}
