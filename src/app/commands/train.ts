/** `stethostream train`: options, progress and the closing lines; the work is src/training/train.ts, src/training/article and src/training/own. */
import type { RunHooks } from '../../training/run-log.js';
import { LiveRun } from '../../training/watch/live-run.js';
import { openWatch } from '../../training/watch/watch-server.js';
import { ProgressBars } from '../progress.js';
import { articleOptions, heartOptions, ownOptions, refuse, type Flags, type Preset } from './train-flags.js';

/** Of `--watch` without a number. */
const DEFAULT_WATCH_PORT = 8079;

export async function train(flags: Flags): Promise<void> {
  const preset = (flags['preset'] ?? 'heart') as Preset;
  refuse(flags, preset);
  const bars = new ProgressBars();
  const live = new LiveRun(`Training, preset ${preset}, ${String(flags['data'])}`);
  const watch = flags['watch'] === undefined ? null : await openWatch(live, flags['watch'] === true ? DEFAULT_WATCH_PORT : Number(flags['watch']));
  if (watch) bars.line(`watch this run at ${watch.url}`);
  bars.line('Ctrl-C stops it; given again, the same command goes on from the last checkpoint.');
  const hooks: RunHooks = {
    onLine: (line) => {
      bars.line(line);
      live.line(line);
    },
    onProgress: (progress) => {
      const { phase, done, total, loss } = progress;
      bars.show(phase, done, total, loss === undefined ? '' : `loss ${loss.toFixed(3)}`);
      live.update(progress);
    },
    onRecall: (phase) => live.recall(phase),
  };
  const print = await { heart: trainHeart, article: trainArticle, own: trainOwn }[preset](flags, hooks).finally(async () => {
    bars.end();
    await watch?.close();
  });
  process.stdout.write(flags['json'] === true ? `${JSON.stringify(print.json)}\n` : print.text);
}

interface Printed {
  text: string;
  json: unknown;
}

async function trainHeart(flags: Flags, hooks: RunHooks): Promise<Printed> {
  const { runTrain } = await import('../../training/train.js');
  const { model, results, skipped, runFolder, report } = await runTrain(heartOptions(flags), hooks);
  return {
    text: `Model package: ${model.folder}\nIts README.md is the model card; the run is in ${runFolder}, its report is ${report.html}.\n`,
    json: { model: model.folder, report: report.html, results, skipped },
  };
}

async function trainArticle(flags: Flags, hooks: RunHooks): Promise<Printed> {
  const { runArticle } = await import('../../training/article/article-run.js');
  const { NO_PACKAGE } = await import('../../training/article/article-results.js');
  const { results, weights, report, skipped } = await runArticle(articleOptions(flags), hooks);
  return {
    text: `Error rate ${(100 * results.errorRate).toFixed(1)} %. Weights: ${weights}\nReport: ${report.html}\n${NO_PACKAGE}\n`,
    json: { weights, report: report.html, results, skipped },
  };
}

async function trainOwn(flags: Flags, hooks: RunHooks): Promise<Printed> {
  const { runOwn } = await import('../../training/own/run.js');
  const { ownTable } = await import('../../training/own/results.js');
  const { results, report, skipped } = await runOwn(ownOptions(flags), hooks);
  return { text: `${ownTable(results)}\n\nReport: ${report.html}\n`, json: { report: report.html, results, skipped } };
}
