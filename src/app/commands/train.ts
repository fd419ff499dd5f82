/** `stethostream train`: options, progress and the closing lines; the work is src/training/train.ts, src/training/article and src/training/own. */
import { StageError } from '../../common/stage-error.js';
import type { ArticleOptions } from '../../training/article/options.js';
import type { OwnOptions } from '../../training/own/options.js';
import type { TrainingProgress } from '../../training/run-log.js';
import type { TrainOptions } from '../../training/train.js';
import { LiveRun } from '../../training/watch/live-run.js';
import { openWatch } from '../../training/watch/watch-server.js';
import { ProgressBars } from '../progress.js';

/** Of `--watch` without a number. */
const DEFAULT_WATCH_PORT = 8079;

/** Flags that not every preset knows. */
const OWN_FLAGS = {
  heart: ['output', 'name', 'modelVersion', 'pretrainWindows', 'finetuneWindows', 'finetuneRuns', 'frameHead', 'pretrainDatasets', 'pseudoLabels', 'folds'],
  article: ['dataset', 'weights', 'imageSize', 'split', 'validationShare', 'epochs', 'unfreezeEpochs', 'earlyStopping', 'freeze', 'learningRate', 'finderSteps', 'weightDecay', 'dropout'],
  own: ['dataset', 'folds', 'windows', 'start', 'binary', 'fastMath'],
} as const;

type Preset = keyof typeof OWN_FLAGS;

type Flags = Readonly<Record<string, unknown>>;

export async function train(flags: Flags): Promise<void> {
  const preset = (flags['preset'] ?? 'heart') as Preset;
  refuse(flags, preset);
  const bars = new ProgressBars();
  const live = new LiveRun(`Training, preset ${preset}, ${String(flags['data'])}`);
  const watch = flags['watch'] === undefined ? null : await openWatch(live, flags['watch'] === true ? DEFAULT_WATCH_PORT : Number(flags['watch']));
  if (watch) bars.line(`watch this run at ${watch.url}`);
  const hooks = {
    onLine: (line: string) => {
      bars.line(line);
      live.line(line);
    },
    onProgress: (progress: TrainingProgress) => {
      const { phase, done, total, loss } = progress;
      bars.show(phase, done, total, loss === undefined ? '' : `loss ${loss.toFixed(3)}`);
      live.update(progress);
    },
  };
  const print = await { heart: trainHeart, article: trainArticle, own: trainOwn }[preset](flags, hooks).finally(async () => {
    bars.end();
    await watch?.close();
  });
  process.stdout.write(flags['json'] === true ? `${JSON.stringify(print.json)}\n` : print.text);
}

type Hooks = Parameters<typeof import('../../training/train.js').runTrain>[1];
interface Printed {
  text: string;
  json: unknown;
}

async function trainHeart(flags: Flags, hooks: Hooks): Promise<Printed> {
  const { runTrain } = await import('../../training/train.js');
  const { model, results, skipped, runFolder, report } = await runTrain(heartOptions(flags), hooks);
  return {
    text: `Model package: ${model.folder}\nIts README.md is the model card; the run is in ${runFolder}, its report is ${report.html}.\n`,
    json: { model: model.folder, report: report.html, results, skipped },
  };
}

async function trainArticle(flags: Flags, hooks: Hooks): Promise<Printed> {
  const { runArticle } = await import('../../training/article/article-run.js');
  const { NO_PACKAGE } = await import('../../training/article/article-results.js');
  const { results, weights, report, skipped } = await runArticle(articleOptions(flags), hooks);
  return {
    text: `Error rate ${(100 * results.errorRate).toFixed(1)} %. Weights: ${weights}\nReport: ${report.html}\n${NO_PACKAGE}\n`,
    json: { weights, report: report.html, results, skipped },
  };
}

async function trainOwn(flags: Flags, hooks: Hooks): Promise<Printed> {
  const { runOwn } = await import('../../training/own/run.js');
  const { ownTable } = await import('../../training/own/results.js');
  const { results, report, skipped } = await runOwn(ownOptions(flags), hooks);
  return { text: `${ownTable(results)}\n\nReport: ${report.html}\n`, json: { report: report.html, results, skipped } };
}

function ownOptions(flags: Flags): OwnOptions {
  return {
    data: String(flags['data']),
    ...texts(flags, ['run', 'dataset', 'start']),
    ...numbers(flags, ['seed', 'folds', 'windows', 'batchSize', 'checkpointEverySteps']),
    binary: flags['binary'] === true,
    fastMath: flags['fastMath'] === true,
    ...(flags['pseudoLabels'] === true ? { pseudoLabels: true } : {}),
    command: commandLine(),
  };
}

function heartOptions(flags: Flags): TrainOptions {
  return {
    data: String(flags['data']),
    ...texts(flags, ['run', 'output', 'name']),
    ...(flags['modelVersion'] === undefined ? {} : { version: String(flags['modelVersion']) }),
    ...(flags['pretrainDatasets'] === undefined ? {} : { pretrainDatasets: String(flags['pretrainDatasets']).split(',').map((name) => name.trim()) }),
    ...numbers(flags, ['seed', 'pretrainWindows', 'finetuneWindows', 'finetuneRuns', 'frameHead', 'batchSize', 'folds', 'checkpointEverySteps']),
    command: commandLine(),
  };
}

function articleOptions(flags: Flags): ArticleOptions {
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

/** A flag of another preset would be ignored silently. */
function refuse(flags: Flags, preset: Preset): void {
  const known: readonly string[] = OWN_FLAGS[preset];
  const given = Object.values(OWN_FLAGS).flat().filter((name, i, all) => all.indexOf(name) === i && !known.includes(name) && flags[name] !== undefined);
  if (given.length > 0) throw usage(`${given.map(flag).join(', ')} ${given.length > 1 ? 'mean' : 'means'} nothing to the preset ${preset}`);
}

const flag = (name: string) => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

function usage(message: string): StageError {
  return new StageError({ code: 'TRAINING_OPTION_INVALID', stage: 'training', message, remedy: 'See `stethostream train --help`.' });
}
