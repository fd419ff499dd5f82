/** Flags of `stethostream train` as options of its presets. Those that are not given are left to the preset. */
import { StageError } from '../../common/stage-error.js';
import type { ArticleOptions } from '../../training/article/options.js';
import type { OwnOptions } from '../../training/own/options.js';
import type { TrainOptions } from '../../training/train-options.js';

/** Flags that not every preset knows. */
export const OWN_FLAGS = {
  heart: ['output', 'name', 'modelVersion', 'listenWindows', 'pretrainWindows', 'halfWindows', 'finetuneWindows', 'finetuneRuns', 'frameHead', 'pretrainDatasets', 'pseudoLabels', 'phaseBranch', 'folds', 'start', 'fastMath'],
  article: ['dataset', 'weights', 'imageSize', 'split', 'validationShare', 'epochs', 'unfreezeEpochs', 'earlyStopping', 'freeze', 'learningRate', 'finderSteps', 'weightDecay', 'dropout'],
  own: ['dataset', 'folds', 'windows', 'start', 'frameHead', 'binary', 'fastMath'],
} as const;

export type Preset = keyof typeof OWN_FLAGS;

/** As commander gives them. */
export type Flags = Readonly<Record<string, unknown>>;

export function ownOptions(flags: Flags): OwnOptions {
  return {
    data: String(flags['data']),
    ...texts(flags, ['run', 'dataset', 'start']),
    ...numbers(flags, ['seed', 'folds', 'windows', 'frameHead', 'batchSize', 'checkpointEverySteps']),
    binary: flags['binary'] === true,
    fastMath: flags['fastMath'] === true,
    command: commandLine(),
  };
}

export function heartOptions(flags: Flags): TrainOptions {
  return {
    data: String(flags['data']),
    ...texts(flags, ['run', 'output', 'name', 'start']),
    ...(flags['modelVersion'] === undefined ? {} : { version: String(flags['modelVersion']) }),
    ...(flags['pretrainDatasets'] === undefined ? {} : { pretrainDatasets: String(flags['pretrainDatasets']).split(',').map((name) => name.trim()) }),
    ...numbers(flags, ['seed', 'listenWindows', 'pretrainWindows', 'halfWindows', 'finetuneWindows', 'finetuneRuns', 'frameHead', 'batchSize', 'folds', 'checkpointEverySteps']),
    ...(flags['phaseBranch'] === undefined ? {} : { phaseBranch: flags['phaseBranch'] === true }),
    ...(flags['pseudoLabels'] === undefined ? {} : { pseudoLabels: flags['pseudoLabels'] === true }),
    fastMath: flags['fastMath'] === true,
    command: commandLine(),
  };
}

export function articleOptions(flags: Flags): ArticleOptions {
  const rate = flags['learningRate'];
  return {
    data: String(flags['data']),
    ...texts(flags, ['run', 'dataset', 'weights']),
    ...numbers(flags, ['seed', 'imageSize', 'validationShare', 'batchSize', 'epochs', 'unfreezeEpochs', 'earlyStopping', 'finderSteps', 'weightDecay', 'dropout', 'checkpointEverySteps']),
    ...(rate === undefined || rate === 'auto' ? {} : numbers(flags, ['learningRate'])),
    ...(flags['split'] === undefined ? {} : { split: flags['split'] as 'random' | 'subject' }),
    ...(flags['freeze'] === undefined ? {} : { freeze: flags['freeze'] === true }),
    command: commandLine(),
  };
}

const commandLine = () => `stethostream ${process.argv.slice(2).join(' ')}`;

function texts<K extends string>(flags: Flags, names: readonly K[]): Partial<Record<K, string>> {
  return Object.fromEntries(names.filter((name) => flags[name] !== undefined).map((name) => [name, String(flags[name])])) as Partial<Record<K, string>>;
}

function numbers<K extends string>(flags: Flags, names: readonly K[]): Partial<Record<K, number>> {
  const given = names.filter((name) => flags[name] !== undefined);
  for (const name of given) if (String(flags[name]).trim() === '' || !Number.isFinite(Number(flags[name]))) throw usage(`${flag(name)} is "${String(flags[name])}", it must be a number`);
  return Object.fromEntries(given.map((name) => [name, Number(flags[name])])) as Partial<Record<K, number>>;
}

/** A flag of another preset would be ignored silently. Throws TRAINING_OPTION_INVALID. */
export function refuse(flags: Flags, preset: Preset): void {
  const known: readonly string[] = OWN_FLAGS[preset];
  const given = Object.values(OWN_FLAGS).flat().filter((name, i, all) => all.indexOf(name) === i && !known.includes(name) && flags[name] !== undefined);
  if (given.length > 0) throw usage(`${given.map(flag).join(', ')} ${given.length > 1 ? 'mean' : 'means'} nothing to the preset ${preset}`);
}

const flag = (name: string) => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

function usage(message: string): StageError {
  return new StageError({ code: 'TRAINING_OPTION_INVALID', stage: 'training', message, remedy: 'See `stethostream train --help`.' });
}
