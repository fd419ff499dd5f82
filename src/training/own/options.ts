/** Options of `stethostream train --preset own`, and their defaults. */
import { join, resolve } from 'node:path';
import { heartFeatures, type FeatureParams } from '../../features/index.js';
import type { ResNetSpec } from '../../inference/resnet34.js';
import { headWeight, whole } from '../option-checks.js';
import type { StageRecipe } from '../recipe.js';
import { startPath } from '../start-from.js';
import { OWN_RECIPE } from './recipe.js';

export interface OwnOptions {
  /** Folder of recordings in any form that openDataset knows; labels may have any name. */
  data: string;
  /** Data set to train on. Default: the only one. */
  dataset?: string;
  /** Working folder: log, checkpoints, results, weights of each fold, report. Default `runs/own`. */
  run?: string;
  /** Default 1. */
  seed?: number;
  /** Folds of the cross-validation by subject. Default 4. */
  folds?: number;
  /** Windows to train on in each fold. Default 24000. */
  windows?: number;
  /** Windows per step. Default 16. */
  batchSize?: number;
  /** Weight of the frame head's loss, where the folder has heart states. Default 0: no frame head. */
  frameHead?: number;
  /** Only normal (`normal` or `N`) against all other labels together. Default false. */
  binary?: boolean;
  /** Safetensors file with torchvision's names whose trunk training starts from, e.g. a run's weights. Default: random weights. */
  start?: string;
  /** Convolutions in bfloat16 where the processor has them. Default false. */
  fastMath?: boolean;
  /** Steps between checkpoints. Default 100. */
  checkpointEverySteps?: number;
  /** The command line, for the report. */
  command?: string;
  /** Other features, a smaller network or another recipe: for tests and experiments. */
  features?: FeatureParams;
  network?: Partial<Omit<ResNetSpec, 'labels'>>;
  recipe?: StageRecipe;
}

/** With every default filled in; windows, batch size and frame head are in the recipe. */
export interface OwnSettings extends Required<Omit<OwnOptions, 'dataset' | 'start' | 'windows' | 'batchSize' | 'frameHead'>> {
  dataset: string | null;
  start: string | null;
}

/** Throws TRAINING_OPTION_INVALID, TRAINING_WEIGHTS_MISSING. */
export function ownSettings(options: OwnOptions): OwnSettings {
  const recipe = options.recipe ?? OWN_RECIPE;
  return {
    data: resolve(options.data),
    dataset: options.dataset ?? null,
    run: resolve(options.run ?? join('runs', 'own')),
    seed: whole('seed', options.seed ?? 1, 0),
    folds: whole('folds', options.folds ?? 4, 2),
    binary: options.binary ?? false,
    start: startPath(options.start),
    fastMath: options.fastMath ?? false,
    checkpointEverySteps: whole('checkpointEverySteps', options.checkpointEverySteps ?? 100, 1),
    command: options.command ?? `stethostream train --preset own --data ${options.data}`,
    features: options.features ?? heartFeatures,
    network: options.network ?? {},
    recipe: { ...recipe, ...(options.frameHead === undefined ? {} : { frameHeadWeight: headWeight(options.frameHead) }), windows: whole('windows', options.windows ?? recipe.windows, 1), batchSize: whole('batchSize', options.batchSize ?? recipe.batchSize, 1) },
  };
}
