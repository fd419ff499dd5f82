import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModelPackage, type ModelPackage } from '../../../src/inference/model-package.js';
import { loadAudio } from '../../../src/training/audio-cache.js';
import { openDataset } from '../../../src/training/datasets/open-dataset.js';
import { tensorFlowStatus } from '../../../src/training/engine/tensorflow.js';
import { predictPackage, runEvaluate } from '../../../src/training/evaluate.js';
import { formatCostsTable, withSection, writeCostsToCard } from '../../../src/training/export/costs-card.js';
import { runExport, type ExportResult } from '../../../src/training/export/export.js';
import type { FormatCost } from '../../../src/training/export/format-costs.js';
import { EXPORT_FORMATS } from '../../../src/training/export/types.js';
import { writeSmallPackage } from '../../inference/test-package.js';
import { writeDataset, type SynthClip } from '../synth-dataset.js';

const root = mkdtempSync(join(tmpdir(), 'costs-'));
const [folder, data, output] = [join(root, 'model'), join(root, 'data'), join(root, 'out')];
const clip = (dataset: string, kind: 'normal' | 'murmur', i: number): SynthClip => ({ file: `${dataset}/${kind}-${i}.wav`, dataset, label: kind, subject: `${kind}${i}`, site: '', kind, seconds: 1 + 0.5 * i, seed: i + 1 });
const clips = (['one', 'two'] as const).flatMap((dataset) => [0, 1, 2].flatMap((i) => [clip(dataset, 'normal', i), clip(dataset, 'murmur', i)]));
let before: ModelPackage;
let result: ExportResult;
const progress: [string, number, number][] = [];

beforeAll(async () => {
  writeDataset(data, clips);
  before = await writeSmallPackage(folder, { weights: 'fp32', card: '# Small\n\nWords.\n\n## Limits\n\n- Many.\n' });
  result = await runExport({ model: folder, output, evaluate: data, card: true }, { onProgress: (...at) => progress.push(at) });
}, 60_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const row = (format: string, dataset = 'one'): FormatCost => result.costs!.datasets[dataset]!.formats.find((f) => f.format === format)!;

describe('what each format costs', () => {
  it('is measured for every format that can be run, on every data set, with progress', () => {
    const expected = EXPORT_FORMATS.filter((format) => format.startsWith('onnx') || tensorFlowStatus().installed);
    for (const dataset of ['one', 'two']) expect(result.costs!.datasets[dataset]!.formats.map((f) => f.format)).toEqual(expected);
    expect(progress.at(-1)).toEqual(['measuring costs', 12, 12]);
    expect(JSON.parse(readFileSync(join(output, 'costs.json'), 'utf8'))).toEqual(result.costs);
  });

  it('fp32 has the figures of `evaluate` and no difference', async () => {
    const { datasets } = await runEvaluate({ folder: data, model: folder, floors: false, resamples: 1 });
    const { accuracy, macroF1, auroc, windowDifference, clipDifference, changedLabels } = row('onnx-fp32', 'two');
    expect(accuracy).toBe(datasets['two']!.accuracy.value);
    expect(macroF1).toBe(datasets['two']!.macroF1.value);
    expect(auroc).toBeCloseTo(datasets['two']!.auroc!.value, 10);
    expect([windowDifference, clipDifference, changedLabels]).toEqual([{ mean: 0, largest: 0 }, { mean: 0, largest: 0 }, 0]);
  });

  it('int8 differs as its predictions by `evaluate`’s code differ, clip by clip', async () => {
    const { recordings } = await loadAudio(openDataset(data).recordings.filter((r) => r.dataset === 'one'), before.manifest.features);
    const [exact, coarse] = [await predictPackage(before, recordings), await predictPackage({ ...before, onnxFile: join(output, 'model-int8.onnx') }, recordings)];
    const differences = exact.map((p, i) => Math.max(...p.probabilities.map((x, j) => Math.abs(x - coarse[i]!.probabilities[j]!))));
    const { clipDifference, windowDifference, changedLabels } = row('onnx-int8');
    expect(clipDifference.largest).toBeCloseTo(Math.max(...differences), 5);
    expect(clipDifference.mean).toBeCloseTo(differences.reduce((a, b) => a + b) / differences.length, 5);
    expect(clipDifference.largest).toBeGreaterThan(row('onnx-fp16').clipDifference.largest);
    expect(windowDifference.largest).toBeGreaterThanOrEqual(clipDifference.largest - 1e-7);
    const label = (p: { probabilities: number[] }) => p.probabilities.indexOf(Math.max(...p.probabilities));
    expect(changedLabels).toBe(exact.filter((p, i) => label(p) !== label(coarse[i]!)).length);
  });

  it.skipIf(!tensorFlowStatus().installed)('TensorFlow agrees to 1e-3 and better (skipped unless `npm run setup:tensorflow` has been run)', () => {
    for (const format of ['layers-model', 'saved-model']) expect(row(format).windowDifference.largest).toBeLessThan(1e-5);
  });
});

describe('the card', () => {
  it('has the table before its limits, and the package is whole', async () => {
    const after = await loadModelPackage(folder);
    const card = readFileSync(join(folder, 'README.md'), 'utf8');
    expect(card).toBe(`# Small\n\nWords.\n\n${formatCostsTable(result.costs!)}\n\n## Limits\n\n- Many.\n`);
    for (const { format } of result.costs!.datasets['one']!.formats) expect(card).toContain(`| ${format} | `);
    expect(after.manifest.files.card.sha256).not.toBe(before.manifest.files.card.sha256);
    expect(after.manifest.files.onnx).toEqual(before.manifest.files.onnx);
  });

  it('gets new figures in place of old ones', async () => {
    const costs = { ...result.costs!, datasets: { three: result.costs!.datasets['one']! } };
    await writeCostsToCard(folder, costs);
    const card = readFileSync(join(folder, 'README.md'), 'utf8');
    expect(card.match(/## What each format costs/g)).toHaveLength(1);
    expect(card).toContain('three, 6 clips');
    expect(card).not.toContain('one, 6 clips');
    await loadModelPackage(folder);
  });

  it('without limits has it at the end', () => {
    expect(withSection('# A\n', '## B\n\nb')).toBe('# A\n\n## B\n\nb\n');
    expect(withSection('# A\n\n## B\n\nold\n\n## C\n\nc\n', '## B\n\nb')).toBe('# A\n\n## B\n\nb\n\n## C\n\nc\n');
  });
});

describe('costs are refused', () => {
  it.each([
    ['a card without figures', { card: true }, 'TRAINING_OPTION_INVALID'],
    ['a data set that is not there', { evaluate: data, datasets: ['one', 'nowhere'] }, 'TRAINING_DATASET_MISSING'],
  ])('%s', async (_, options, code) => {
    await expect(runExport({ model: folder, output: join(root, 'x'), ...options })).rejects.toMatchObject({ code });
  });

  it('a card of what is no package', async () => {
    await expect(writeCostsToCard(data, result.costs!)).rejects.toMatchObject({ code: 'TRAINING_EXPORT_CARD' });
  });
});
