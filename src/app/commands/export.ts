/** `stethostream export`: options, progress and the table; the work is src/training/export/export.ts. */
import { existsSync } from 'node:fs';
import { defaultModelFolder } from '../../inference/model-package.js';
import { runExport, type ExportedFormat, type ExportResult } from '../../training/export/export.js';
import { both } from '../../training/export/costs-card.js';
import type { FormatCosts } from '../../training/export/format-costs.js';
import type { ExportFormat } from '../../training/export/types.js';
import { table } from '../output.js';
import { ProgressBars } from '../progress.js';

export async function exportCommand(model: string, flags: Record<string, unknown>): Promise<void> {
  const bars = new ProgressBars();
  const text = (key: string) => (flags[key] === undefined ? {} : { [key]: String(flags[key]) });
  const result = await runExport(
    {
      // A path first (run folders have no manifest), then a package's name.
      model: existsSync(model) ? model : await defaultModelFolder(model),
      output: String(flags['output']),
      ...(flags['format'] === undefined ? {} : { formats: flags['format'] as ExportFormat[] }),
      ...text('calibrate'),
      ...text('evaluate'),
      ...(flags['dataset'] === undefined ? {} : { datasets: flags['dataset'] as string[] }),
      card: flags['card'] === true,
      force: flags['force'] === true,
    },
    { onProgress: (phase, done, total) => bars.show(phase, done, total) },
  ).finally(() => bars.end());
  process.stdout.write(flags['json'] === true ? `${JSON.stringify(result)}\n` : `${report(result)}\n`);
}

function report({ source, precision, output, formats, costs, skipped }: ExportResult): string {
  const head = ['format', 'MB', 'largest difference', 'ms/window'];
  const rows = formats.map(({ format, bytes, largestDifference, msPerWindow }) => [format, (bytes / 1e6).toFixed(1), largestDifference?.toExponential(1) ?? 'not run', msPerWindow?.toFixed(1) ?? '']);
  const parts = [`${source} (weights: ${precision}) → ${output}`, table([head, ...rows]), formats.map(about).join('\n'), costs === null ? '' : costTable(costs)];
  return [...parts, skipped.length > 0 ? `${skipped.length} recordings were skipped.` : ''].filter((part) => part !== '').join('\n\n');
}

function about({ format, description, unchecked }: ExportedFormat): string {
  return `${format}: ${description}${unchecked === undefined ? '' : `; not run: ${unchecked}`}.`;
}

function costTable({ datasets }: FormatCosts): string {
  const rows = Object.entries(datasets).flatMap(([dataset, { clips, formats }]) =>
    formats.map((f) => [dataset, f.format, f.accuracy.toFixed(4), f.macroF1.toFixed(4), f.auroc?.toFixed(4) ?? '', both(f.clipDifference), both(f.windowDifference), `${f.changedLabels} of ${clips}`]),
  );
  return table([['data set', 'format', 'accuracy', 'macro-F1', 'AUROC', 'clips: mean, largest difference', 'windows', 'labels changed'], ...rows]);
}
