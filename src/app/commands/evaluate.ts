/** `stethostream evaluate`: options, progress and the report; the work is src/training/evaluate.ts. */
import { DISCLAIMER } from '../../common/disclaimer.js';
import { defaultModelFolder } from '../../inference/model-package.js';
import type { Interval } from '../../training/bootstrap.js';
import { HEART } from '../../training/label-map.js';
import { runEvaluate, type DatasetEvaluation, type EvaluationResult } from '../../training/evaluate.js';
import { table } from '../output.js';
import { ProgressBars } from '../progress.js';

export async function evaluate(folder: string, flags: Record<string, unknown>): Promise<void> {
  const bars = new ProgressBars();
  const skippedLine = ({ file, code, reason }: { file: string; code: string; reason: string }) => bars.line(`skipped ${file}: ${reason} [${code}]`);
  const result = await runEvaluate(
    {
      folder,
      model: await defaultModelFolder(String(flags['model'])),
      ...(flags['dataset'] === undefined ? {} : { datasets: flags['dataset'] as string[] }),
      ...(flags['limit'] === undefined ? {} : { limit: flags['limit'] as number }),
      ...(flags['seed'] === undefined ? {} : { seed: flags['seed'] as number }),
      ...(flags['threads'] === undefined ? {} : { threads: flags['threads'] as number }),
      floors: flags['floors'] !== false,
    },
    { onProgress: (phase, done, total) => bars.show(phase, done, total), onSkip: skippedLine, onUncached: (warning) => bars.line(warning) },
  ).finally(() => bars.end());
  if (flags['json'] === true) process.stdout.write(`${JSON.stringify({ ...result, disclaimer: DISCLAIMER })}\n`);
  else process.stdout.write(`${report(result)}\n`);
}

function report({ model, datasets, skipped }: EvaluationResult): string {
  const parts = Object.entries(datasets).map(([name, evaluation]) => datasetReport(name, evaluation));
  const head = `${model.name} ${model.version}. Intervals: 95 %, bootstrap over subjects.`;
  return [head, ...parts, ...(skipped.length > 0 ? [`${skipped.length} recordings were skipped, see above.`] : []), DISCLAIMER].join('\n\n');
}

function datasetReport(name: string, e: DatasetEvaluation): string {
  const rows: string[][] = [
    ['accuracy', interval(e.accuracy)],
    ['balanced accuracy', interval(e.balancedAccuracy)],
    ['macro-F1', interval(e.macroF1)],
    [`AUROC, ${HEART.contrast}`, interval(e.auroc)],
    ['(sensitivity + specificity) / 2', interval(e.macc)],
    ['answered when unsure is "unknown"', `${(100 * e.answered.share).toFixed(0)} %, of these right ${e.answered.accuracy.toFixed(3)}`],
  ];
  const floors = e.floors
    ? Object.entries(e.floors).map(([floor, f]) => [`floor: ${floor}`, `accuracy ${f.accuracy.value.toFixed(3)}, macro-F1 ${f.macroF1.value.toFixed(3)}${f.auroc ? `, AUROC ${f.auroc.value.toFixed(3)}` : ''}`])
    : [];
  return `${name}: ${e.n} recordings, ${e.subjects} subjects\n${table([...rows, ...floors].map(([a, b]) => [`  ${a}`, b!]))}`;
}

function interval(i: Interval | null): string {
  return i === null ? 'not defined here' : `${i.value.toFixed(3)}  (${i.low.toFixed(3)}–${i.high.toFixed(3)})`;
}
