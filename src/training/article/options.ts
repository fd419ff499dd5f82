/** Options of `stethostream train --preset article`, and their defaults: the article's. */
import { join, resolve } from 'node:path';
import { articleFeatures, type FeatureParams } from '../../features/index.js';
import { resnet34, type ResNetSpec } from '../../inference/resnet34.js';
import { invalidOption, weightsPath, whole } from '../option-checks.js';

export interface ArticleOptions {
  /** Folder of recordings in any form that openDataset knows, e.g. PASCAL's set_b.csv beside set_b/. */
  data: string;
  /** Data set to train on. Default `pascal-b`, or the only one that is there. */
  dataset?: string;
  /** Working folder: log, checkpoints, results, weights, report. Default `runs/article`. */
  run?: string;
  /** Default 1. */
  seed?: number;
  /** Side of the images in pixels. Default 512. */
  imageSize?: number;
  /** `random` as in the article (recordings of one person on both sides), or `subject`. Default `subject`. */
  split?: 'random' | 'subject';
  /** Part held out for validation. Default 0.3. */
  validationShare?: number;
  /** Images per step. Default 4. */
  batchSize?: number;
  /** Epochs of the one-cycle. Default 5. */
  epochs?: number;
  /** Further epochs with the body freed and discriminative rates. Default 0. */
  unfreezeEpochs?: number;
  /** Epochs without a smaller validation loss after which a phase ends; the best epoch's weights are kept. Default: off. */
  earlyStopping?: number;
  /** Weights to start from: a torchvision or timm safetensors file of a ResNet-34 (or part of one). Default none: random. */
  weights?: string;
  /** Convolutions keep their weights in the one-cycle, batch norm and head learn. Default: whether `weights` are given. */
  freeze?: boolean;
  /** Peak learning rate; `auto` takes the finder's suggestion, kept within 1e-4 … 1e-2. Default `auto`. */
  learningRate?: number | 'auto';
  /** Steps of the learning-rate finder; 0 leaves it out. Default 100. */
  finderSteps?: number;
  /** Decoupled weight decay. Default 0.01. */
  weightDecay?: number;
  /** Probability of dropping a pooled feature. Default 0.5. */
  dropout?: number;
  /** Steps between checkpoints. Default 50. */
  checkpointEverySteps?: number;
  /** The command line, for the report. */
  command?: string;
  /** Other features, or a smaller network: for tests and experiments. */
  features?: FeatureParams;
  network?: Partial<Omit<ResNetSpec, 'labels'>>;
}

/** With every default filled in. */
export type ArticleSettings = Required<Omit<ArticleOptions, 'dataset' | 'weights' | 'earlyStopping'>> & { dataset: string | null; weights: string | null; earlyStopping: number | null };

/** Throws TRAINING_OPTION_INVALID, TRAINING_WEIGHTS_MISSING. */
export function articleSettings(options: ArticleOptions): ArticleSettings {
  const weights = weightsPath(options.weights, 'Name a safetensors file of a torchvision or timm ResNet-34, or leave --weights out to start from random weights.');
  const { learningRate = 'auto', split = 'subject' } = options;
  if (learningRate !== 'auto') within('learningRate', learningRate, 1e-8, 10);
  else if (options.finderSteps === 0) throw invalidOption('finderSteps', 0, 'at least 20 when learningRate is auto');
  if (split !== 'subject' && split !== 'random') throw invalidOption('split', split, 'subject or random');
  return {
    data: resolve(options.data),
    dataset: options.dataset ?? null,
    run: resolve(options.run ?? join('runs', 'article')),
    seed: whole('seed', options.seed ?? 1, 0),
    imageSize: whole('imageSize', options.imageSize ?? 512, 32),
    split,
    validationShare: within('validationShare', options.validationShare ?? 0.3, 0.05, 0.9),
    batchSize: whole('batchSize', options.batchSize ?? 4, 1),
    epochs: whole('epochs', options.epochs ?? 5, 1),
    unfreezeEpochs: whole('unfreezeEpochs', options.unfreezeEpochs ?? 0, 0),
    earlyStopping: options.earlyStopping === undefined ? null : whole('earlyStopping', options.earlyStopping, 1),
    weights,
    freeze: options.freeze ?? weights !== null,
    learningRate,
    finderSteps: options.finderSteps === 0 ? 0 : whole('finderSteps', options.finderSteps ?? 100, 20),
    weightDecay: within('weightDecay', options.weightDecay ?? 0.01, 0, 1),
    dropout: within('dropout', options.dropout ?? 0.5, 0, 0.95),
    checkpointEverySteps: whole('checkpointEverySteps', options.checkpointEverySteps ?? 50, 1),
    command: options.command ?? `stethostream train --preset article --data ${options.data}`,
    features: options.features ?? articleFeatures,
    network: options.network ?? {},
  };
}

/** The network for so many classes. */
export function articleNetwork(settings: ArticleSettings, classes: number): ResNetSpec {
  return resnet34(classes, settings.network);
}

function within(name: string, value: number, low: number, high: number): number {
  if (value >= low && value <= high) return value;
  throw invalidOption(name, value, `${low} to ${high}`);
}
