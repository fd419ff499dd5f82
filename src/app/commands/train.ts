/** `stethostream train`: options, progress and the closing lines; the work is src/training/train.ts. */
import { runTrain, type TrainOptions } from '../../training/train.js';
import { ProgressBars } from '../progress.js';

export async function train(flags: Record<string, unknown>): Promise<void> {
  const json = flags['json'] === true;
  const bars = new ProgressBars();
  const result = await runTrain(optionsOf(flags), {
    onLine: (line) => bars.line(line),
    onProgress: ({ phase, done, total, loss }) => bars.show(phase, done, total, loss === undefined ? '' : `loss ${loss.toFixed(3)}`),
  }).finally(() => bars.end());
  if (json) process.stdout.write(`${JSON.stringify({ model: result.model.folder, results: result.results, skipped: result.skipped })}\n`);
  else process.stdout.write(`Model package: ${result.model.folder}\nIts README.md is the model card; the run is in ${result.runFolder}.\n`);
}

function optionsOf(flags: Record<string, unknown>): TrainOptions {
  const number = (name: string) => (flags[name] === undefined ? {} : { [name]: Number(flags[name]) });
  const text = (name: string) => (flags[name] === undefined ? {} : { [name]: String(flags[name]) });
  return {
    data: String(flags['data']),
    ...text('run'),
    ...text('output'),
    ...text('name'),
    ...(flags['modelVersion'] === undefined ? {} : { version: String(flags['modelVersion']) }),
    ...number('seed'),
    ...number('pretrainWindows'),
    ...number('finetuneWindows'),
    ...number('batchSize'),
    ...number('folds'),
    ...number('checkpointEverySteps'),
    command: `stethostream ${process.argv.slice(2).join(' ')}`,
  };
}
