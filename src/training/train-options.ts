/** Options of `stethostream train`, and their defaults. */
import { join, resolve } from 'node:path';
import { Value } from '@sinclair/typebox/value';
import { StageError } from '../common/stage-error.js';
import { heartFeatures, type FeatureParams } from '../features/index.js';
import { Manifest } from '../inference/manifest.js';
import { resnet34, type ResNetSpec } from '../inference/resnet34.js';
import { LABELS } from './label-map.js';
import { headWeight, invalidOption, whole } from './option-checks.js';
import { HEART_RECIPE, type HeartRecipe, type StageRecipe } from './recipe.js';
import { startPath } from './start-from.js';

export interface TrainOptions {
  /** Folder that holds manifest.csv and the recordings it names. */
  data: string;
  /** Working folder: log, checkpoints, results. Started again with the same options, a run goes on. Default `runs/heart`. */
  run?: string;
  /** Folder of the model package. Default `models/<name>`. */
  output?: string;
  /** Name and version of the model. Defaults `heart-resnet34`, `0.3.1`. */
  name?: string;
  version?: string;
  /** Default 1. */
  seed?: number;
  /** Windows of self-supervised pre-training ahead of it, without labels; 0 = none. Default 40000. */
  listenWindows?: number;
  /** Windows to pre-train on. Default 64000. */
  pretrainWindows?: number;
  /** Part of pre-training, 0 to 1, from its start, on the first half of each window (half-windows.ts). Default 0 = none. */
  halfWindows?: number;
  /** Windows to fine-tune on, per fold and for the final model. Default 4000. */
  finetuneWindows?: number;
  /** Fine-tunings whose weights are averaged, per fold and for the final model. Default 1. */
  finetuneRuns?: number;
  /** Weight of the frame head's loss in pre-training; half of it in fine-tuning; 0 = no frame head. Default 0.5. */
  frameHead?: number;
  /** Data sets to pre-train on. Default physionet2016 and pascal-a, whose terms allow a model to be shared. */
  pretrainDatasets?: readonly string[];
  /** A phase branch beside the trunk, where heart states are known. Default true. */
  phaseBranch?: boolean;
  /** Let a first fine-tuning label the target's unlabelled recordings that it is sure about. Default true. */
  pseudoLabels?: boolean;
  /** Safetensors file with torchvision's names whose trunk pre-training starts from. Default: random weights. */
  start?: string;
  /** Convolutions in bfloat16 where the processor has them. Default false. */
  fastMath?: boolean;
  /** Windows per step. Default 16. */
  batchSize?: number;
  /** Folds of the cross-validation. Default 4. */
  folds?: number;
  /** Steps between checkpoints. Default 100. */
  checkpointEverySteps?: number;
  /** The command line, for the card. */
  command?: string;
  /** Other features or a smaller network: for tests and experiments. */
  features?: FeatureParams;
  spec?: ResNetSpec;
  recipe?: HeartRecipe;
}

/** With every default filled in; what shapes the recipe is in the recipe. */
export interface TrainSettings extends Required<Omit<TrainOptions, RecipeOption | 'start'>> {
  start: string | null;
}

type RecipeOption = 'listenWindows' | 'pretrainWindows' | 'halfWindows' | 'finetuneWindows' | 'finetuneRuns' | 'frameHead' | 'pretrainDatasets' | 'pseudoLabels' | 'phaseBranch' | 'batchSize' | 'folds';

/** Throws TRAINING_OPTION_INVALID. */
export function withDefaults(options: TrainOptions): TrainSettings {
  const { listen, ...recipe } = options.recipe ?? HEART_RECIPE;
  const stage = (from: StageRecipe, windows: number | undefined, frameHead: number | undefined): StageRecipe => ({
    ...from,
    ...(frameHead === undefined ? {} : { frameHeadWeight: headWeight(frameHead) }),
    windows: whole('windows', windows ?? from.windows, 1),
    batchSize: whole('batchSize', options.batchSize ?? from.batchSize, 1),
  });
  const name = packageField('name', options.name ?? 'heart-resnet34', 'lower-case letters, digits, ".", "_" and "-", at most 64 of them, and begin with a letter or digit');
  return {
    data: resolve(options.data),
    run: resolve(options.run ?? join('runs', 'heart')),
    output: resolve(options.output ?? join('models', name)),
    name,
    version: packageField('version', options.version ?? '0.3.1', 'three numbers as in 1.0.0'),
    seed: whole('seed', options.seed ?? 1, 0),
    start: startPath(options.start),
    fastMath: options.fastMath ?? false,
    checkpointEverySteps: whole('checkpointEverySteps', options.checkpointEverySteps ?? 100, 1),
    command: options.command ?? `stethostream train ${options.data}`,
    features: options.features ?? heartFeatures,
    spec: options.spec ?? resnet34(LABELS.length),
    recipe: {
      ...recipe,
      pretrainDatasets: checkedDatasets(options.pretrainDatasets, recipe),
      folds: whole('folds', options.folds ?? recipe.folds, 2),
      ...listenStage(options, { ...recipe, ...(listen ? { listen } : {}) }),
      pretrain: { ...stage(recipe.pretrain, options.pretrainWindows, options.frameHead), ...halfPart(options.halfWindows) },
      finetune: stage(recipe.finetune, options.finetuneWindows, options.frameHead === undefined ? undefined : options.frameHead / 2),
      pseudoLabels: options.pseudoLabels ?? recipe.pseudoLabels ?? false,
      phaseBranch: options.phaseBranch ?? recipe.phaseBranch ?? false,
      finetuneRuns: whole('finetuneRuns', options.finetuneRuns ?? recipe.finetuneRuns, 1),
    },
  };
}

/** The value, if a manifest may hold it: known now, not when the package is written. Throws TRAINING_OPTION_INVALID. */
function packageField(field: 'name' | 'version', value: string, allowed: string): string {
  if (Value.Check(Manifest.properties[field], value)) return value;
  throw invalidOption(field, `"${value}"`, allowed);
}

/** Throws TRAINING_OPTION_INVALID. */
function halfPart(halfWindows: number | undefined): Pick<StageRecipe, 'halfWindows'> {
  if (halfWindows === undefined) return {};
  if (halfWindows >= 0 && halfWindows <= 1) return { halfWindows };
  throw invalidOption('halfWindows', halfWindows, 'a part from 0 (none) to 1 (all of pre-training)');
}

/** Self-supervised pre-training, unless 0 windows are asked for. */
function listenStage({ listenWindows, batchSize }: TrainOptions, { listen }: HeartRecipe): Pick<HeartRecipe, 'listen'> {
  const windows = whole('listenWindows', listenWindows ?? listen?.windows ?? 0, 0);
  return windows === 0 || !listen ? {} : { listen: { ...listen, windows, ...(batchSize === undefined ? {} : { batchSize }) } };
}

/** Those of the recipe can't be left out: the threshold of "abnormal" and the figures of artifacts come from them. */
function checkedDatasets(given: readonly string[] | undefined, recipe: HeartRecipe): readonly string[] {
  if (given === undefined) return recipe.pretrainDatasets;
  const missing = recipe.pretrainDatasets.filter((name) => !given.includes(name));
  if (missing.length === 0 && !given.includes(recipe.targetDataset)) return given;
  throw new StageError({
    code: 'TRAINING_OPTION_INVALID',
    stage: 'training',
    message: `pretrainDatasets is ${given.join(',')}, it must hold ${recipe.pretrainDatasets.join(', ')} and not the target ${recipe.targetDataset}`,
    remedy: `Give them all, e.g. --pretrain-datasets ${recipe.pretrainDatasets.join(',')},yaseen,bmdhs.`,
  });
}
