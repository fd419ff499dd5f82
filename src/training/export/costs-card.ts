/** The table of costs.json as a section of a model card. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { StageError } from '../../common/stage-error.js';
import type { Manifest } from '../../inference/manifest.js';
import { loadModelPackage } from '../../inference/model-package.js';
import { figure } from '../format.js';
import type { DatasetCosts, Difference, FormatCost, FormatCosts } from './format-costs.js';
import { place } from './place.js';
import type { ExportFile } from './types.js';

export const COSTS_TITLE = 'What each format costs';

/** Markdown: a heading of second level, what was measured, one table per data set. */
export function formatCostsTable(costs: FormatCosts): string {
  const forms = new Map(Object.values(costs.datasets).flatMap(({ formats }) => formats.map(({ format, description }) => [format, description] as const)));
  return [
    `## ${COSTS_TITLE}`,
    `Measured by \`stethostream export --evaluate\`: the same clips through every format, compared with ${costs.reference}. A difference is the largest over the labels, in probability; a clip's probability is the mean over its windows. On recordings that the model was trained on, only differences mean anything.`,
    ...Object.entries(costs.datasets).map(([name, dataset]) => datasetTable(name, dataset)),
    [...forms].map(([format, description]) => `- ${format}: ${description}.`).join('\n'),
  ].join('\n\n');
}

function datasetTable(name: string, { clips, windows, formats }: DatasetCosts): string {
  const row = (f: FormatCost) =>
    `| ${f.format} | ${(f.bytes / 1e6).toFixed(1)} | ${figure(f.accuracy)} | ${figure(f.macroF1)} | ${figure(f.auroc)} | ${both(f.clipDifference)} | ${both(f.windowDifference)} | ${f.changedLabels} |`;
  return `${name}, ${clips} clips, ${windows} windows:\n\n| format | MB | accuracy | macro-F1 | AUROC | clips: mean, largest difference | windows: mean, largest difference | labels changed |\n|---|---|---|---|---|---|---|---|\n${formats.map(row).join('\n')}`;
}

/** `1.2e-4, 3.4e-3`: mean and largest. */
export function both({ mean, largest }: Difference): string {
  return `${short(mean)}, ${short(largest)}`;
}

function short(difference: number): string {
  return difference === 0 ? '0' : difference.toExponential(1);
}

/** Replaces the section of a card that has it, else puts it before "Limits" or at the end; the rest stays as it is. */
export function withSection(card: string, section: string): string {
  const heading = section.slice(0, section.indexOf('\n'));
  const parts = card.trimEnd().split(/\n(?=## )/);
  const at = parts.findIndex((part) => part.startsWith(`${heading}\n`));
  const limits = parts.findIndex((part) => part.startsWith('## Limits'));
  if (at >= 0) parts[at] = `${section}\n`;
  else parts.splice(limits < 0 ? parts.length : limits, 0, `${section}\n`);
  return `${parts.map((part) => part.trimEnd()).join('\n\n')}\n`;
}

/** Puts the section into a package's card and the card's new hash into its manifest; the package is swapped whole. Throws TRAINING_EXPORT_CARD. */
export async function writeCostsToCard(folder: string, costs: FormatCosts): Promise<void> {
  try {
    await place(folder, changedPackage(folder, costs), loadModelPackage);
  } catch (cause) {
    throw new StageError({ code: 'TRAINING_EXPORT_CARD', stage: 'training', message: `the card of ${folder} cannot be changed: ${(cause as Error).message}`, remedy: 'Check that the package may be written, or leave --card out; the figures are in costs.json.', cause });
  }
}

function changedPackage(folder: string, costs: FormatCosts): ExportFile[] {
  const read = (path: string) => readFileSync(join(folder, path));
  const manifest = JSON.parse(read('manifest.json').toString()) as Manifest;
  const { card } = manifest.files;
  const text = Buffer.from(withSection(read(card.path).toString(), formatCostsTable(costs)));
  manifest.files.card = { path: card.path, sha256: createHash('sha256').update(text).digest('hex'), bytes: text.length };
  const changed = new Map<string, Uint8Array | string>([[card.path, text], ['manifest.json', `${JSON.stringify(manifest, undefined, 2)}\n`]]);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((entry) => relative(folder, join(entry.parentPath, entry.name))).map((path) => ({ path, data: changed.get(path) ?? read(path) }));
}
