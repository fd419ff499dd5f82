/** Who is trained on, calibrated on and tested on: fixed once per seed, before anything is trained. */
import type { LoadedRecording } from './audio-cache.js';
import { datasetClasses } from './summary.js';
import { StageError } from '../common/stage-error.js';
import type { HeartRecipe } from './recipe.js';
import { groupHoldout, groupKFold } from './splits.js';

/** Files by their part in the recipe `heart`. */
export interface Division {
  /** Pre-training (no recording of the target data set). */
  pretrain: LoadedRecording[];
  /** Labelled recordings of the target, and its folds. */
  target: LoadedRecording[];
  /** Unlabelled recordings of the target, for pseudo-labels; none unless the recipe asks for them. */
  unlabelled: LoadedRecording[];
  folds: { training: LoadedRecording[]; validation: LoadedRecording[] }[];
  /** Kept out of everything: the test of the shipped model. */
  test: LoadedRecording[];
  /** Kept out of training: sets the threshold of what such sets call abnormal. */
  calibration: LoadedRecording[];
  /** Kept out of pre-training and folds, joined to the final fine-tuning: tests artifacts on the fold models. */
  artifactTest: LoadedRecording[];
}

/** Throws TRAINING_CLASS_MISSING, TRAINING_TOO_FEW_GROUPS: what would end the run later is known at its start. */
export function divide(recordings: readonly LoadedRecording[], recipe: HeartRecipe, seed: number): Division {
  const labelled = recordings.filter((recording) => recording.set !== 0);
  const target = labelled.filter((recording) => recording.dataset === recipe.targetDataset);
  checkClasses(target, recipe);
  const folds = groupKFold(target.map(item), recipe.folds, seed).map((split) => ({
    training: pick(target, split.training),
    validation: pick(target, split.validation),
  }));
  const others = labelled.filter((recording) => recipe.pretrainDatasets.includes(recording.dataset));
  const artifacts = others.filter((recording) => recording.dataset === 'pascal-a');
  const rest = others.filter((recording) => recording.dataset !== 'pascal-a');
  const test = groupHoldout(rest.map(item), recipe.testShare, seed);
  const remaining = pick(rest, test.training);
  const calibration = groupHoldout(remaining.map(item), recipe.calibrationShare / (1 - recipe.testShare), seed + 1);
  const artifactTest = groupHoldout(artifacts.map(item), recipe.artifactTestShare, seed);
  return {
    pretrain: [...pick(remaining, calibration.training), ...pick(artifacts, artifactTest.training)],
    target,
    unlabelled: recipe.pseudoLabels ? recordings.filter((recording) => recording.set === 0 && recording.dataset === recipe.targetDataset) : [],
    folds,
    test: pick(rest, test.validation),
    calibration: pick(remaining, calibration.validation),
    artifactTest: pick(artifacts, artifactTest.validation),
  };
}

function item(recording: LoadedRecording): { group: string; stratum: string } {
  const site = recording.dataset === 'physionet2016' ? recording.site : '';
  return { group: recording.group, stratum: `${recording.dataset}|${site}|${recording.label}` };
}

function pick<T>(items: readonly T[], indices: readonly number[]): T[] {
  return indices.map((index) => items[index] as T);
}

function checkClasses(target: readonly LoadedRecording[], recipe: HeartRecipe): void {
  const classes = datasetClasses(target.map((recording) => recording.set));
  const short = classes.length < 2 ? 'has fewer than two classes' : undefined;
  const rare = classes.find((set) => new Set(target.filter((r) => r.set === set).map((r) => r.group)).size < recipe.folds);
  if (short === undefined && rare === undefined) return;
  throw new StageError({
    code: 'TRAINING_CLASS_MISSING',
    stage: 'training',
    message: short
      ? `data set "${recipe.targetDataset}" ${short} with readable, labelled recordings`
      : `a class of "${recipe.targetDataset}" has fewer subjects than the ${recipe.folds} folds`,
    remedy: 'Check the labels in manifest.csv and the skipped recordings, or ask for fewer folds.',
  });
}
