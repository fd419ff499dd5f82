/** From finished weights and results to a model package: golden, card, manifest with its figures. */
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DISCLAIMER } from '../common/disclaimer.js';
import { Random } from './random.js';
import { writeModelPackage } from '../inference/model-writer.js';
import type { Manifest } from '../inference/manifest.js';
import { loadModelPackage, type ModelPackage } from '../inference/model-package.js';
import { windowSpanSamples } from '../features/index.js';
import type { LoadedRecording } from './audio-cache.js';
import type { Interval } from './bootstrap.js';
import type { Division } from './division.js';
import { predictPackage } from './evaluate.js';
import { phaseWeights, weightsFile, type HeartContext } from './heart-run.js';
import { EXPERIMENTAL_LABELS, LABELS } from './label-map.js';
import { modelCard, TERMS, type CardFacts, type DataSource } from './model-card.js';
import type { TrainingResults } from './results.js';
import { signThresholds, summariseDataset, type DatasetSummary } from './summary.js';
import type { TrainSettings } from './train-options.js';
import { windowFeaturiser } from './window-featuriser.js';

export interface ExportedModel {
  folder: string;
  name: string;
  version: string;
  /** Bytes of the weights. */
  bytes: number;
  /** Largest difference in clip probability between training's fp32 weights and the package on ONNX Runtime, over the held-out clips. */
  largestDifference: number;
}

/**
 * Writes a draft into the run's folder, judges other sources with it, and then writes the package with the finished
 * card: what was in the output folder stays until that is whole.
 */
export async function exportModel(
  context: HeartContext,
  settings: TrainSettings,
  division: Division,
  others: readonly LoadedRecording[],
  results: TrainingResults,
): Promise<ExportedModel> {
  // Also when the card is written again later.
  const createdAt = statSync(weightsFile(context, 'final')).mtime.toISOString();
  const sources = dataSources(division);
  const write = (folder: string, card: string) => writePackage(folder, context, settings, sources, results, card, createdAt);
  const draft = await write(join(context.folder, 'draft-model'), 'draft');
  const { difference, external } = await judge(context, draft, division, others, results, settings.seed);
  const facts: CardFacts = {
    name: settings.name,
    version: settings.version,
    command: settings.command,
    seed: settings.seed,
    createdAt,
    recipe: settings.recipe,
    sources,
    results,
    external,
    weightBytes: draft.manifest.files.onnx.bytes,
  };
  const model = await write(settings.output, modelCard(facts));
  rmSync(draft.folder, { recursive: true, force: true });
  return { folder: model.folder, name: settings.name, version: settings.version, bytes: model.manifest.files.onnx.bytes, largestDifference: difference };
}

function dataSources(division: Division): DataSource[] {
  const count = (recordings: readonly LoadedRecording[], dataset: string) => recordings.filter((r) => r.dataset === dataset).length;
  const names = [...new Set([...division.pretrain, ...division.target, ...division.artifactTest].map((r) => r.dataset))];
  return names.map((name) => ({
    name,
    recordings: count([...division.pretrain, ...division.target, ...division.artifactTest], name),
    terms: TERMS[name] ?? 'see its source',
    role: count(division.target, name) > 0 ? 'fine-tuning, cross-validation' : 'pre-training, replay in fine-tuning',
  }));
}

async function writePackage(folder: string, context: HeartContext, settings: TrainSettings, sources: DataSource[], results: TrainingResults, card: string, createdAt: string): Promise<ModelPackage> {
  await writeModelPackage(folder, {
    manifest: manifest(settings, sources, results, createdAt),
    state: await phaseWeights(context, 'final'),
    golden: { input: goldenInput(context) },
    card,
    weights: 'fp16',
    overwrite: true,
  });
  return loadModelPackage(folder);
}

function manifest(settings: TrainSettings, sources: DataSource[], results: TrainingResults, createdAt: string): Omit<Manifest, 'files'> {
  const { temperature, unknownBelow } = results.calibration;
  return {
    schema: 'stethostream-model/1',
    name: settings.name,
    version: settings.version,
    description: 'Heart sounds: normal, murmur, extrasystole (experimental) or artifact, from 3 s of sound.',
    architecture: results.phase ? 'resnet34-1ch+phases' : 'resnet34-1ch',
    labels: [...LABELS],
    experimentalLabels: [...EXPERIMENTAL_LABELS],
    features: settings.features,
    input: { name: 'input', layout: 'NCHW', channels: 1 },
    output: { name: 'logits', kind: 'logits', temperature },
    thresholds: { unknownBelow, ...signThresholds(results.calibration) },
    training: { command: settings.command, seed: settings.seed, createdAt, datasets: sources },
    metrics: manifestMetrics(results),
    licence: 'Apache-2.0 for the weights; the recordings keep their own terms (see the card).',
    disclaimer: DISCLAIMER,
  };
}

function manifestMetrics(results: TrainingResults): Record<string, Interval> {
  const named: [string, Interval | null][] = [
    ...figures('pascal-b.cv', results.crossValidation),
    ...figures('physionet2016.heldout', results.physionet.final),
    ...results.crossValidation.classes.map((c): [string, Interval] => [`pascal-b.cv.${c.name}.auroc`, c.auroc]),
  ];
  return Object.fromEntries(named.filter((entry): entry is [string, Interval] => entry[1] !== null && Object.values(entry[1]).every(Number.isFinite)));
}

function figures(prefix: string, summary: DatasetSummary): [string, Interval | null][] {
  return [
    [`${prefix}.accuracy`, summary.accuracy],
    [`${prefix}.balancedAccuracy`, summary.balancedAccuracy],
    [`${prefix}.macroF1`, summary.macroF1],
    [`${prefix}.auroc`, summary.auroc],
    [`${prefix}.macc`, summary.macc],
  ];
}

/** A synthesised window: beats of decaying tones over noise, so that no recording's sound is in the package. */
function goldenInput(context: HeartContext): Float32Array {
  const { sampleRateHz } = context.params.mel;
  const random = new Random(2024);
  const pcm = Float32Array.from({ length: windowSpanSamples(context.params) }, (_, i) => {
    const beat = (i / sampleRateHz) % 0.85;
    const tone = (at: number, hz: number) => (beat < at ? 0 : Math.exp(-(beat - at) / 0.03) * Math.sin(2 * Math.PI * hz * (beat - at)));
    return 0.4 * tone(0.05, 55) + 0.3 * tone(0.37, 80) + 0.005 * random.normal();
  });
  return windowFeaturiser(context.params)(pcm);
}

/** Held-out clips through the package, against training's own figures; and data sets that no training saw. */
async function judge(context: HeartContext, model: ModelPackage, division: Division, others: readonly LoadedRecording[], results: TrainingResults, seed: number) {
  const clock = context.log.phase('judging the package', division.test.length + others.length, 'clips');
  const held = await predictPackage(model, division.test, { onProgress: (done) => clock.update(done) });
  const expected = new Map(results.predictions.physionet.map((p) => [p.file, p.probabilities]));
  const difference = Math.max(0, ...held.flatMap((p) => p.probabilities.map((value, i) => Math.abs(value - (expected.get(p.file)?.[i] ?? value)))));
  context.log.line(`package against training weights: largest difference in clip probability ${difference.toExponential(1)}`);
  const predictions = await predictPackage(model, others, { onProgress: (done) => clock.update(division.test.length + done) });
  const external = [...new Set(others.map((r) => r.dataset))].map((name) => ({
    name,
    note: externalNotes[name] ?? 'not used in training',
    summary: summariseDataset(predictions.filter((p) => p.dataset === name), signThresholds(results.calibration), seed),
  }));
  return { difference, external };
}

const externalNotes: Record<string, string> = {
  yaseen: 'Yaseen et al. 2018; no licence stated, used for evaluation only. Clips overlap heavily, and logistic regression on the mean spectrum alone separates normal from the rest (AUROC .998 by cross-validation within the set).',
  bmdhs: 'BMD-HS (arXiv 2409.00724); no licence stated, used for evaluation only. Labels are per patient, eight recordings each, so many recordings of a patient with a murmur may hold none.',
};
