/** The recipe `own` on synthesised recordings with labels that the heart model doesn't know. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { heartFeatures } from '../../../src/features/index.js';
import { readSafetensors, writeSafetensors } from '../../../src/inference/safetensors.js';
import { randomStateDict } from '../../../src/inference/random-state.js';
import { resnet34 } from '../../../src/inference/resnet34.js';
import { tensorFlowStatus } from '../../../src/training/engine/tensorflow.js';
import { HEART_AUGMENTATION } from '../../../src/training/augment.js';
import type { OwnOptions } from '../../../src/training/own/options.js';
import { OWN_RECIPE } from '../../../src/training/own/recipe.js';
import { ownTable } from '../../../src/training/own/results.js';
import type { RecalledPhase, RunHooks } from '../../../src/training/run-log.js';
import { runOwn, type OwnResult } from '../../../src/training/own/run.js';
import { synthWav, writeDataset, writeStates, type SynthClip } from '../synth-dataset.js';

const folder = mkdtempSync(join(tmpdir(), 'stetho-own-'));
const features = { ...heartFeatures, windowFrames: 64, windowHopFrames: 32 };
const network = { stemWidth: 4, blocks: [1, 1], widths: [4, 8] };

/** Twelve clips of six subjects per label; `site` tells the labels apart but for two clips each. */
function clips(dataset: string, labels: readonly [string, SynthClip['kind']][], subject: (label: string, i: number) => string): SynthClip[] {
  return labels.flatMap(([label, kind], l) =>
    Array.from({ length: 12 }, (_, i) => ({
      file: `${dataset}/${label.replace('+', '_')}-${i}.wav`,
      dataset,
      label,
      subject: subject(label, i),
      site: i < 2 ? `site${(l + 1) % labels.length}` : `site${l}`,
      kind,
      seconds: 1.2 + (i % 4) / 2,
      seed: 100 * l + i + 1,
    })),
  );
}

const options = (run: string, more: Partial<OwnOptions> = {}): OwnOptions => ({
  data: join(folder, 'data'),
  dataset: 'three',
  run: join(folder, run),
  seed: 3,
  folds: 2,
  checkpointEverySteps: 5,
  features,
  network,
  recipe: { ...OWN_RECIPE, augmentation: { ...HEART_AUGMENTATION, mixupAlpha: 0 }, maxLearningRate: 1e-2, emaDecay: 0.9, windows: 480 },
  ...more,
});

describe.skipIf(!tensorFlowStatus().installed)('train --preset own (needs `npm run setup:tensorflow`)', () => {
  let result: OwnResult;
  const lines: string[] = [];

  beforeAll(async () => {
    writeDataset(join(folder, 'data'), [
      ...clips('three', [['N', 'normal'], ['whoosh', 'murmur'], ['crackle+x', 'artifact']], (label, i) => `${label}${i % 6}`),
      ...clips('two', [['normal', 'normal'], ['abnormal', 'artifact']], () => ''),
      ...clips('one', [['normal', 'normal']], (_, i) => `s${i}`),
      ...clips('lonely', [['N', 'normal'], ['A', 'murmur'], ['B', 'artifact']], (label, i) => (label === 'B' ? 'b' : `${label}${i}`)),
    ]);
    result = await runOwn(options('three'), { onLine: (line) => lines.push(line) });
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('judges every recording once, by its own labels, normal first', () => {
    const { vocabulary, predictions, summary, normal, folds } = result.results;
    expect(vocabulary.labels).toEqual(['N', 'crackle+x', 'whoosh']);
    expect(normal).toBe('N');
    expect(new Set(predictions.map((p) => p.file)).size).toBe(36);
    expect(predictions).toHaveLength(36);
    for (const { probabilities, label, set } of predictions) {
      expect(probabilities).toHaveLength(3);
      expect(probabilities.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
      expect(set).toBe(1 << vocabulary.labels.indexOf(label));
    }
    expect(summary).toMatchObject({ n: 36, scored: 36, subjects: 18 });
    expect(summary.classes.map(({ name, clips: n }) => [name, n])).toEqual([['N', 12], ['crackle+x', 12], ['whoosh', 12]]);
    expect(summary.confusion.predicted).toEqual(summary.confusion.actual);
    expect(folds.map((fold) => fold.threshold)).toEqual([{ clips: 0, value: 0.5 }, { clips: 0, value: 0.5 }]);
  });

  it('keeps subjects whole: none is trained on and judged in one fold', () => {
    const { folds } = JSON.parse(readFileSync(join(result.runFolder, 'division.json'), 'utf8')) as { folds: string[][] };
    const subjectOf = new Map(result.results.predictions.map((p) => [p.file, p.group]));
    const [a, b] = folds.map((files) => new Set(files.map((file) => subjectOf.get(file))));
    expect([...a!].filter((group) => b!.has(group))).toEqual([]);
  });

  it('draws each label from cells of its own name', () => {
    expect(lines.filter((line) => /clips {2}three\|site0\|crackle\+x/.test(line)).length).toBe(2);
    expect(lines.some((line) => line.includes('unlabelled'))).toBe(false);
  });

  it('learns, and its floors know no more than they may', () => {
    const { predictions, summary, floors, siteFloor } = result.results;
    const normal = (label: string) => predictions.filter((p) => p.label === label).map((p) => p.probabilities[0] ?? 0);
    expect(Math.min(...normal('N'))).toBeGreaterThan(Math.max(...normal('whoosh')));
    expect(summary.auroc!.value).toBeGreaterThan(0.75);
    expect(floors.majority.auroc!.value).toBeCloseTo(0.5, 5);
    expect(siteFloor!.accuracy.value).toBeCloseTo(30 / 36, 5);
  });

  it('reports figures, floors and what to beware of', () => {
    const html = readFileSync(result.report.html, 'utf8');
    expect(html).toContain('own labels of three');
    expect(html).toContain('floor: site alone');
    expect(html).toContain('all other labels against N');
    expect(html.match(/<div class="cam/g)?.length).toBeGreaterThan(0);
    expect(html.replaceAll(/data:[^"]*/g, '')).not.toMatch(/NaN|undefined|murmur or abnormal|<script/);
    const table = ownTable(result.results);
    expect(table).toMatch(/^three +36 +18 /m);
    expect(table).toMatch(/^crackle\+x +12 /m);
  });

  it('goes on after being cut off, to the same weights and figures', async () => {
    const cutAt = (phase: string, done: number): RunHooks => ({
      onProgress: (p) => {
        if (p.phase.startsWith(phase) && p.done >= done) throw new Error('cut off');
      },
    });
    for (const [phase, done] of [['fold-1', 480], ['fold 1: judging', 1], ['fold 2: judging', 1]] as const) {
      await expect(runOwn(options('cut'), cutAt(phase, done)), phase).rejects.toThrow('cut off');
    }
    const recalled: RecalledPhase[] = [];
    const resumed = await runOwn(options('cut'), { onRecall: (phase) => recalled.push(phase) });
    expect(recalled.map(({ phase, total }) => [phase, total])).toEqual([['fold-1', 480], ['fold-2', 480]]);
    for (const { points } of recalled) expect(points.at(-1)).toMatchObject({ done: 480, loss: expect.any(Number) as number });
    expect(resumed.results.predictions).toEqual(result.results.predictions);
  }, 120_000);

  it('chooses the threshold for two labels on training subjects that it was not trained on', async () => {
    const two = await runOwn(options('two', { dataset: 'two', recipe: { ...OWN_RECIPE, windows: 64 } }));
    const { folds, withoutSubject, predictions, summary } = two.results;
    const division = JSON.parse(readFileSync(join(two.runFolder, 'division.json'), 'utf8')) as { folds: string[][]; threshold: string[][] };
    folds.forEach((fold, i) => {
      expect(fold.threshold.clips).toBeGreaterThan(0);
      expect(fold.training + fold.threshold.clips + fold.validation).toBe(24);
      expect(division.threshold[i]!.filter((file) => division.folds[i]!.includes(file))).toEqual([]);
    });
    const used = (file: string) => folds[division.folds.findIndex((files) => files.includes(file))]!.threshold.value;
    for (const { file, threshold } of predictions) expect(threshold).toBe(used(file));
    const called = (p: (typeof predictions)[number]) => p.probabilities[1]! / (p.probabilities[0]! + p.probabilities[1]!) >= p.threshold!;
    const rate = (label: string, positive: boolean) => predictions.filter((p) => p.label === label && called(p) === positive).length / 12;
    expect(summary.macc!.value).toBeCloseTo((rate('abnormal', true) + rate('normal', false)) / 2, 10);
    expect(withoutSubject).toBe(24);
    expect(readFileSync(two.report.html, 'utf8')).toContain('24 of 24 recordings name no subject');
  }, 60_000);

  it('puts all labels but normal together when asked to, and starts from given weights with a fresh head', async () => {
    const start = join(folder, 'start.safetensors');
    await writeSafetensors(start, randomStateDict(resnet34(2, network), 5));
    const binary = await runOwn(options('binary', { binary: true, start, recipe: { ...OWN_RECIPE, windows: 16, maxLearningRate: 1e-9, weightDecay: 0 } }));
    expect(binary.results.vocabulary.labels).toEqual(['N', 'abnormal']);
    expect(binary.results.summary.classes.map((c) => c.clips)).toEqual([12, 24]);
    expect(binary.results.start).toMatch(/start\.safetensors \(\d+ % of the network's values; a fresh head\)/);
    const [given, trained] = [await readSafetensors(start), await readSafetensors(join(binary.runFolder, 'fold-1', 'weights.safetensors'))];
    const distance = (name: string) => Math.max(...given.tensors.get(name)!.data.map((x, i) => Math.abs(x - trained.tensors.get(name)!.data[i]!)));
    expect(distance('layer2.0.conv1.weight')).toBeLessThan(1e-6);
    expect(distance('fc.weight')).toBeGreaterThan(1e-3);
  }, 60_000);

  it('learns heart states beside the labels where they are known, and keeps none of that head', async () => {
    const data = join(folder, 'with states');
    const two = clips('two', [['normal', 'normal'], ['abnormal', 'murmur']], (label, i) => `${label}${i}`);
    writeDataset(data, two);
    writeStates(join(data, 'two', 'states.jsonl'), two.slice(1));
    const told: string[] = [];
    const { runFolder, report } = await runOwn(options('states', { data, dataset: 'two', frameHead: 0.5, recipe: { ...OWN_RECIPE, windows: 320 } }), { onLine: (line) => told.push(line) });
    expect(told.some((line) => line.startsWith('heart states of 23 recordings'))).toBe(true);
    expect(told.some((line) => /^fold-1: step 20\/20 loss [\d.]+ frames [\d.]+ lr/.test(line))).toBe(true);
    const { tensors } = await readSafetensors(join(runFolder, 'fold-1', 'weights.safetensors'));
    expect([...tensors.keys()].filter((name) => name.startsWith('frames.'))).toEqual([]);
    expect(readFileSync(report.html, 'utf8')).toContain('with a weight of 0.5 in the loss');
    expect(JSON.parse(readFileSync(report.json, 'utf8'))).toMatchObject({ again: { recipe: { recipe: { frameHeadWeight: 0.5 } } } });
    await expect(runOwn({ ...options('nowhere'), run: join(import.meta.filename, 'run') })).rejects.toMatchObject({ code: 'TRAINING_FOLDER_UNWRITABLE' });
    await expect(runOwn(options('too much', { frameHead: 11 }))).rejects.toMatchObject({ code: 'TRAINING_OPTION_INVALID', message: expect.stringContaining('frameHead is 11') as string });
  }, 60_000);

  it('takes a plain folder per class, whatever the classes are called', async () => {
    for (const [name, kind] of [['Lub', 'normal'], ['Dub', 'artifact']] as const) {
      mkdirSync(join(folder, 'plain', name), { recursive: true });
      for (let i = 0; i < 6; i++) writeFileSync(join(folder, 'plain', name, `${i}.wav`), synthWav(kind, 1.5, i + 1));
    }
    const rest = options('plain-run', { data: join(folder, 'plain'), recipe: { ...OWN_RECIPE, windows: 16 } });
    delete rest.dataset;
    const { results } = await runOwn(rest);
    expect(results).toMatchObject({ dataset: 'plain', normal: null, siteFloor: null, withoutSubject: 12 });
    expect(results.vocabulary).toMatchObject({ labels: ['Dub', 'Lub'], contrast: 'Lub against Dub' });
  }, 60_000);

  it.each([
    ['a data set that is not there, and names those that are', { dataset: 'four' }, 'TRAINING_DATASET_MISSING', /three, two, one, lonely, not of four/],
    ['one class', { dataset: 'one' }, 'TRAINING_CLASS_MISSING', /"normal" only/],
    ['a class of one subject', { dataset: 'lonely' }, 'TRAINING_CLASS_MISSING', /"B"/],
    ['fewer subjects than folds', { dataset: 'three', folds: 19 }, 'TRAINING_TOO_FEW_GROUPS', /18 subject/],
    ['one fold', { folds: 1 }, 'TRAINING_OPTION_INVALID', /folds is 1/],
    ['no windows', { windows: 0 }, 'TRAINING_OPTION_INVALID', /windows is 0/],
    ['a start that is not there', { start: '/nonexistent.safetensors' }, 'TRAINING_WEIGHTS_MISSING', /nonexistent/],
  ])('refuses %s at the start', async (name, changes, code, message) => {
    const refused = await runOwn(options(`bad ${name}`, changes)).then(() => undefined, (error: unknown) => error);
    expect(refused).toMatchObject({ code, message: expect.stringMatching(message) as unknown });
  });
});
