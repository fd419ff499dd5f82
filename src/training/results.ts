/** The figures of a finished training: cross-validation, held-out recordings, calibration, floors. */
import { groupBy } from '../common/group-by.js';
import { fitTemperature, unknownThreshold } from './calibrate.js';
import { toPredictions } from './clip-logits.js';
import type { Division } from './division.js';
import type { CurvePoint } from './fit.js';
import type { Precision } from './engine/fast-math.js';
import { floorPredictions, type FloorName } from './floors.js';
import type { FeatureParams } from '../features/index.js';
import type { PhaseBranchSpec } from '../inference/resnet34.js';
import type { FrameFigures } from './frame-accuracy.js';
import type { PhaseResult, SoupResult } from './heart-run.js';
import { extrasystoleFigures, type ExtrasystoleFigures } from './extrasystole.js';
import type { HeartRecipe } from './recipe.js';
import { ARTIFACT } from './label-map.js';
import { argMax } from './metrics.js';
import type { LoadedRecording } from './audio-cache.js';
import { groupKFold, type Split } from './splits.js';
import { atOthersThreshold, fitSignThresholds } from './sign-thresholds.js';
import { ONE_HALF, summariseDataset, type ClipPrediction, type DatasetSummary } from './summary.js';

/** Everything that the card, the report and the manifest are written from. */
export interface TrainingResults {
  /** What pre-training started from, in words; absent in old runs, which started from random weights. */
  start?: string;
  /** Of the convolutions while training; absent in old runs: float32. */
  precision?: Precision;
  /** The network's phase branch, if it has one; absent in old runs, which had none. */
  phase?: PhaseBranchSpec | null;
  /** `murmur` is absent in old runs, which had one threshold for both. */
  calibration: { temperature: number; unknownBelow: number; murmur?: number; abnormal: number };
  /** Out-of-fold figures on the target data set. */
  crossValidation: DatasetSummary;
  /** The same per fold, for the spread. */
  folds: Figures[];
  floors: Record<FloorName, DatasetSummary>;
  /** Averaged weights against the fine-tunings that they are the average of; absent in runs of versions before it. */
  soup?: SoupFigures;
  /** Unlabelled recordings of the target that were trained on, by the label that they were given; null = none asked for. */
  pseudoLabels?: { folds: Record<string, number>[]; final: Record<string, number> } | null;
  /** Frame head after pre-training, on the held-out recordings whose heart states are known; null = no frame head or no states. */
  framesAccuracy?: FrameFigures | null;
  /** Out-of-fold AUROC of extrasystole against normal and against clean normal; null where the target has none, absent in old runs. */
  extrasystole?: ExtrasystoleFigures | null;
  /** Held-out PhysioNet: the pre-trained weights, the final weights, and floors by 5 folds within the held-out part. */
  physionet: { pretrained: DatasetSummary; final: DatasetSummary; perSite: Record<string, DatasetSummary>; floors: Record<FloorName, DatasetSummary> | null };
  /** Held-out PASCAL A artifacts on the fold models: how many were called artifact, in all judgements. */
  artifacts: { clips: number; recognised: number; judgements: number; falseAlarms: number; heartJudgements: number };
  curves: Record<string, CurvePoint[]>;
  secondsTrained: number;
  predictions: { crossValidation: ClipPrediction[]; physionet: ClipPrediction[] };
}

/** Out-of-fold figures on the target data set. */
interface Figures {
  accuracy: number;
  macroF1: number;
  auroc: number;
}

export interface SoupFigures {
  /** Fine-tunings per fold. */
  members: number;
  averaged: Figures;
  /** Mean over the members, each judged over all folds at its own temperature. */
  single: Figures;
  each: Figures[];
}

/** Phases of a run. */
export interface Phases {
  /** Self-supervised pre-training, where there was one. */
  listen?: PhaseResult | undefined;
  pretrain: PhaseResult;
  folds: SoupResult[];
  final: SoupResult;
}

const resamples = 1000;

export function collectResults(phases: Phases, division: Division, recipe: HeartRecipe, params: FeatureParams, seed: number): TrainingResults {
  const validationLogits = phases.folds.flatMap((fold) => fold.logits['validation'] ?? []);
  const temperature = fitTemperature(division.target, validationLogits);
  const byFold = division.folds.map((fold, i) => toPredictions(fold.validation, phases.folds[i]?.logits['validation'] ?? [], temperature));
  const judged = new Map(atOthersThreshold(byFold).map((p) => [p.file, p]));
  const outOfFold = division.target.flatMap(({ file }) => judged.get(file) ?? []);
  // Data sets added to the pre-training are held out in part as well; they are not PhysioNet's figures.
  const heldOut = division.test.filter((r) => r.dataset === 'physionet2016');
  const physionet = toPredictions(heldOut, phases.final.logits['test'] ?? [], temperature);
  const pretrained = toPredictions(heldOut, phases.pretrain.logits['test'] ?? [], temperature);
  const calibrationPart = toPredictions(division.calibration, phases.final.logits['calibration'] ?? [], temperature);
  const thresholds = fitSignThresholds([outOfFold, ...groupBy(calibrationPart, (p) => p.dataset)]);
  const summarise = (predictions: readonly ClipPrediction[]) => summariseDataset(predictions, thresholds, seed, resamples);
  const targetSplits = division.folds.map((fold) => indexSplit(division.target, fold.validation));
  return {
    calibration: { temperature, unknownBelow: unknownThreshold(outOfFold, 0.8), ...thresholds },
    crossValidation: summarise(outOfFold),
    folds: byFold.map((fold) => figuresOf(fold, seed)),
    floors: floorSummaries(division.target, targetSplits, params, seed),
    extrasystole: extrasystoleFigures(outOfFold, division.target, seed, resamples),
    soup: soupFigures(phases, division.target, outOfFold, seed),
    pseudoLabels: phases.final.pseudoLabelled ? { folds: phases.folds.map((fold) => fold.pseudoLabelled ?? {}), final: phases.final.pseudoLabelled } : null,
    framesAccuracy: phases.pretrain.framesAccuracy ?? null,
    physionet: {
      pretrained: summarise(pretrained),
      final: summarise(physionet),
      perSite: perSite(physionet, summarise),
      floors: foldedFloors(heldOut, (r) => `${r.site}|${r.label}`, params, seed),
    },
    artifacts: artifactFigures(phases, division, recipe, temperature),
    curves: Object.fromEntries([...(phases.listen ? [['listen', phases.listen.curve] as const] : []), ['pretrain', phases.pretrain.curve], ...phases.folds.map((fold, i) => [`fold-${i + 1}`, fold.curve] as const), ['final', phases.final.curve]]),
    secondsTrained: [...(phases.listen ? [phases.listen] : []), phases.pretrain, ...phases.folds, phases.final].reduce((sum, phase) => sum + phase.seconds, 0),
    predictions: { crossValidation: outOfFold, physionet },
  };
}

/** Floors have no calibrated threshold: a class counts as abnormal where it is the likelier. */
export function floorSummaries(recordings: readonly LoadedRecording[], splits: readonly Split[], params: FeatureParams, seed: number): Record<FloorName, DatasetSummary> {
  const floors = floorPredictions(recordings, splits, params);
  const summarise = (predictions: readonly ClipPrediction[]) => summariseDataset(predictions, ONE_HALF, seed, resamples);
  return { majority: summarise(floors.majority), length: summarise(floors.length), meanSpectrum: summarise(floors.meanSpectrum) };
}

/** Floors by 5 folds over subjects (fewer where there are fewer subjects); null where there are not even two. */
export function foldedFloors(recordings: readonly LoadedRecording[], stratumOf: (r: LoadedRecording) => string, params: FeatureParams, seed: number): Record<FloorName, DatasetSummary> | null {
  const folds = Math.min(5, new Set(recordings.map((r) => r.group)).size);
  if (folds < 2) return null;
  return floorSummaries(recordings, groupKFold(recordings.map((r) => ({ group: r.group, stratum: stratumOf(r) })), folds, seed), params, seed);
}

function indexSplit(target: readonly LoadedRecording[], validation: readonly LoadedRecording[]): Split {
  const held = new Set(validation);
  const split: Split = { training: [], validation: [] };
  target.forEach((recording, index) => (held.has(recording) ? split.validation : split.training).push(index));
  return split;
}

function soupFigures(phases: Phases, target: readonly LoadedRecording[], outOfFold: readonly ClipPrediction[], seed: number): SoupFigures {
  const members = Math.min(...phases.folds.map((fold) => fold.members.length));
  const each = Array.from({ length: members }, (_, m) => {
    const logits = phases.folds.flatMap((fold) => fold.members[m]?.logits['validation'] ?? []);
    return figuresOf(toPredictions(target, logits, fitTemperature(target, logits)), seed);
  });
  const mean = (key: keyof Figures) => each.reduce((sum, figures) => sum + figures[key], 0) / members;
  return { members, averaged: figuresOf(outOfFold, seed), single: { accuracy: mean('accuracy'), macroF1: mean('macroF1'), auroc: mean('auroc') }, each };
}

/** No intervals, and nothing that hangs on a threshold. */
function figuresOf(predictions: readonly ClipPrediction[], seed: number): Figures {
  const summary = summariseDataset(predictions, ONE_HALF, seed, 1);
  return { accuracy: summary.accuracy.value, macroF1: summary.macroF1.value, auroc: summary.auroc?.value ?? NaN };
}

function perSite(predictions: readonly ClipPrediction[], summarise: (p: readonly ClipPrediction[]) => DatasetSummary): Record<string, DatasetSummary> {
  const sites = [...new Set(predictions.map((p) => p.site))].sort();
  return Object.fromEntries(sites.map((site) => [site, summarise(predictions.filter((p) => p.site === site))]));
}

function artifactFigures(phases: Phases, division: Division, recipe: HeartRecipe, temperature: number): TrainingResults['artifacts'] {
  const judged = phases.folds.flatMap((fold) => toPredictions(division.artifactTest, fold.logits['artifactTest'] ?? [], temperature));
  const artifacts = judged.filter((p) => p.set === ARTIFACT);
  const hearts = judged.filter((p) => p.set !== ARTIFACT);
  const calledArtifact = (p: ClipPrediction) => 1 << argMax(p.probabilities) === ARTIFACT;
  return {
    clips: Math.round(artifacts.length / recipe.folds),
    recognised: artifacts.filter(calledArtifact).length,
    judgements: artifacts.length,
    falseAlarms: hearts.filter(calledArtifact).length,
    heartJudgements: hearts.length,
  };
}
