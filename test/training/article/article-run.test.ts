/** The article's recipe on synthesised recordings in PASCAL's published form, at 64 × 64 pixels. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomStateDict } from '../../../src/inference/random-state.js';
import { resnet34 } from '../../../src/inference/resnet34.js';
import { readSafetensors, writeSafetensors } from '../../../src/inference/safetensors.js';
import { runArticle, type ArticleResult } from '../../../src/training/article/article-run.js';
import type { RunHooks } from '../../../src/training/run-log.js';
import { discriminativeRates } from '../../../src/training/engine/rates.js';
import type { ArticleOptions } from '../../../src/training/article/options.js';
import { tensorFlowStatus } from '../../../src/training/engine/tensorflow.js';
import { synthWav } from '../synth-dataset.js';

const folder = mkdtempSync(join(tmpdir(), 'stetho-article-'));
const network = { stemWidth: 4, blocks: [1, 1], widths: [4, 8] };
const startFile = join(folder, 'imagenet.safetensors');

/** Names in the list and on disk differ, as in the published set. */
function writePascal(at: string): void {
  mkdirSync(join(at, 'set_b'), { recursive: true });
  const rows = ['dataset,fname,label,sublabel'];
  const add = (listed: string, onDisk: string, label: string, kind: 'normal' | 'murmur' | 'extrasystole', seed: number) => {
    rows.push(`b,set_b/${listed}.wav,${label},`);
    writeFileSync(join(at, 'set_b', `${onDisk}.wav`), synthWav(kind, 1.5 + (seed % 5) / 2, seed));
  };
  for (let i = 0; i < 10; i++) add(`Btraining_normal_${101 + (i % 8)}_13${i}_A`, `normal__${101 + (i % 8)}_13${i}_A`, 'normal', 'normal', i);
  for (let i = 0; i < 4; i++) add(`Btraining_normal_Btraining_noisynormal_${121 + i}_14${i}_B`, `normal_noisynormal_${121 + i}_14${i}_B`, 'normal', 'normal', 20 + i);
  for (let i = 0; i < 9; i++) add(`Btraining_murmur_${131 + (i % 7)}_15${i}_A`, `murmur__${131 + (i % 7)}_15${i}_A`, 'murmur', 'murmur', 40 + i);
  for (let i = 0; i < 6; i++) add(`Btraining_extrastole_${151 + i}_16${i}_C`, `extrastole__${151 + i}_16${i}_C`, 'extrastole', 'extrasystole', 60 + i);
  add('Bunlabelledtest_161_17_A', 'Bunlabelledtest__161_17_A', '', 'normal', 80);
  writeFileSync(join(at, 'set_b.csv'), `${rows.join('\n')}\n`);
}

const options = (run: string): ArticleOptions => ({
  data: join(folder, 'pascal'),
  run: join(folder, run),
  seed: 2,
  imageSize: 64,
  epochs: 2,
  unfreezeEpochs: 1,
  finderSteps: 30,
  checkpointEverySteps: 2,
  weights: startFile,
  network,
});

describe('discriminative rates', () => {
  it('grow by ten from group to group', () => {
    expect(['conv1.weight', 'layer2.0.bn1.weight', 'layer3.0.conv1.weight', 'layer4.2.bn2.bias', 'fc.weight'].map(discriminativeRates(0.01))).toEqual([0.01, 0.01, 0.1, 0.1, 1]);
  });
});

describe.skipIf(!tensorFlowStatus().installed)('train --preset article (needs `npm run setup:tensorflow`)', () => {
  let result: ArticleResult;
  const lines: string[] = [];

  beforeAll(async () => {
    writePascal(join(folder, 'pascal'));
    await writeSafetensors(startFile, randomStateDict(resnet34(1000, { ...network, inputChannels: 3 }), 5));
    result = await runArticle(options('whole'), { onLine: (line) => lines.push(line) });
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('finds the recordings under their names on disk and judges every validation clip', () => {
    const { split, classes, predictions, summary, errorRate } = result.results;
    expect(lines.some((line) => line.startsWith('30 names'))).toBe(true);
    expect(result.skipped).toEqual([]);
    expect(classes).toEqual(['normal', 'murmur', 'extrasystole']);
    expect(split.training + split.validation).toBe(29);
    expect(split.sharedSubjects).toBe(0);
    expect(predictions).toHaveLength(split.validation);
    for (const { probabilities } of predictions) expect(probabilities.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
    expect(errorRate).toBeCloseTo(1 - summary.accuracy.value, 10);
    expect(errorRate).toBeCloseTo(result.results.epochs.at(-1)?.errorRate ?? NaN, 10);
  });

  it('looks for a learning rate and goes through its phases', () => {
    const { finder, epochs } = result.results;
    expect(finder?.points.length).toBeGreaterThan(10);
    expect(finder?.used).toBe(Math.max(1e-4, Math.min(1e-2, finder?.suggestion ?? NaN)));
    expect(epochs.map((e) => `${e.phase} ${e.epoch}`)).toEqual(['frozen 1', 'frozen 2', 'unfrozen 1']);
    expect(epochs.every((e) => Number.isFinite(e.validationLoss) && Number.isFinite(e.trainingLoss))).toBe(true);
  });

  it('keeps the convolutions while the body is frozen, lets batch norm learn, then frees all', async () => {
    const state = async (file: string) => (await readSafetensors(file)).tensors;
    const [start, frozen, final] = [await state(startFile), await state(join(folder, 'whole', 'frozen', 'weights.safetensors')), await state(result.weights)];
    const same = (a: typeof start, b: typeof start, name: string) => a.get(name)!.data.every((x, i) => x === b.get(name)!.data[i]);
    expect(same(start, frozen, 'layer2.0.conv1.weight')).toBe(true);
    expect(same(start, frozen, 'layer2.0.bn1.weight')).toBe(false);
    expect(same(frozen, final, 'layer2.0.conv1.weight')).toBe(false);
    expect(final.get('fc.weight')?.shape).toEqual([3, 8]);
  });

  it('says that there is no package, and leaves a report', () => {
    expect(lines.some((line) => line.startsWith('No model package'))).toBe(true);
    const html = readFileSync(result.report.html, 'utf8');
    expect(html).toContain('Learning-rate finder');
    expect(html.match(/<div class="cam/g)?.length).toBe(html.match(/<audio/g)?.length);
    expect(html).toContain('1/8 of the clip and 1/8 of the bands');
    // Base64 may hold any word.
    expect(html.replaceAll(/data:[^"]*/g, '')).not.toMatch(/NaN|undefined|<script|https?:\/\//);
  });

  it('goes on after being cut off, to the same weights and figures', async () => {
    const cutAt = (phase: string, done: number): RunHooks => ({
      onProgress: (p) => {
        if (p.phase.startsWith(phase) && p.done >= done) throw new Error('cut off');
      },
    });
    for (const [phase, done] of [['frozen, epoch 1', 16], ['frozen: judging epoch 1', 1], ['frozen, epoch 2', 40], ['unfrozen, epoch 1', 12], ['judging the validation', 1]] as const) {
      await expect(runArticle(options('cut'), cutAt(phase, done)), phase).rejects.toThrow('cut off');
    }
    const resumed = await runArticle(options('cut'));
    const [a, b] = [await readSafetensors(result.weights), await readSafetensors(resumed.weights)];
    for (const [name, tensor] of a.tensors) expect(b.tensors.get(name)?.data, name).toEqual(tensor.data);
    expect(resumed.results.predictions).toEqual(result.results.predictions);
  }, 120_000);

  it('stops early, keeps the best epoch, and does the same after being cut off', async () => {
    const stopping = (run: string): ArticleOptions => ({ ...options(run), weights: startFile, epochs: 8, unfreezeEpochs: 0, learningRate: 0.15, finderSteps: 0, freeze: false, earlyStopping: 1 });
    const seen: string[] = [];
    const stopped = await runArticle(stopping('early'), { onLine: (line) => seen.push(line) });
    const { epochs } = stopped.results;
    const losses = epochs.map((e) => e.validationLoss);
    const best = losses.indexOf(Math.min(...losses));
    expect(best).toBe(1);
    expect(epochs.length).toBe(best + 2);
    expect(epochs.map((e) => e.kept ?? false)).toEqual(epochs.map((_, i) => i === best));
    expect(stopped.results.errorRate).toBeCloseTo(epochs[best]?.errorRate ?? NaN, 10);
    expect(seen.some((line) => line.startsWith(`early stopping: no better epoch in 1; the weights of epoch ${best + 1}`))).toBe(true);
    expect(readFileSync(stopped.report.html, 'utf8')).toContain(`${best + 1} (kept)`);
    expect(readdirSync(join(folder, 'early', 'whole')).sort()).toEqual(['epochs.json', 'result.json', 'weights.safetensors']);

    // Before and after the best epoch, and when it was put back.
    for (const phase of ['whole: judging epoch 2', 'whole, epoch 3 of', 'whole: judging epoch 3', 'judging the validation']) {
      const cut: RunHooks = { onProgress: (p) => { if (p.phase.startsWith(phase)) throw new Error('cut off'); } };
      await expect(runArticle(stopping('early-cut'), cut), phase).rejects.toThrow('cut off');
    }
    const resumed = await runArticle(stopping('early-cut'));
    expect(resumed.results.predictions).toEqual(stopped.results.predictions);
    expect(resumed.results.epochs.map((e) => e.kept ?? false)).toEqual(epochs.map((e) => e.kept ?? false));
  }, 120_000);

  it('says how many subjects a random split shares', async () => {
    const rest = options('random');
    delete rest.weights;
    const random = await runArticle({ ...rest, split: 'random', learningRate: 1e-3, finderSteps: 0, epochs: 1, unfreezeEpochs: 0 });
    expect(random.results.split.sharedSubjects).toBeGreaterThan(0);
    expect(random.results.start).toBe('random weights');
    expect(random.results.epochs.map((e) => e.phase)).toEqual(['whole']);
    expect(readFileSync(random.report.html, 'utf8')).toContain('these figures are too good');
  }, 60_000);

  it.each([
    ['a weights file that is not there', { weights: '/nonexistent.safetensors' }, 'TRAINING_WEIGHTS_MISSING'],
    ['a data set that is not there', { dataset: 'circor' }, 'TRAINING_DATASET_MISSING'],
    ['a nonsensical option', { imageSize: 3.5 }, 'TRAINING_OPTION_INVALID'],
    ['a patience of nothing', { earlyStopping: 0 }, 'TRAINING_OPTION_INVALID'],
    ['a run folder that cannot be', { run: join(import.meta.filename, 'run') }, 'TRAINING_FOLDER_UNWRITABLE'],
    ['a batch that the clips do not fill', { batchSize: 64 }, 'TRAINING_OPTION_INVALID'],
  ])('refuses %s at the start', async (_, changes, code) => {
    await expect(runArticle({ ...options(`bad-${code}`), ...changes })).rejects.toMatchObject({ code });
  });
});
