/** The recipe `heart` from recordings to a model package, small enough to run in seconds. */
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { heartFeatures } from '../../src/features/index.js';
import { loadModelPackage } from '../../src/inference/model-package.js';
import { resnet34 } from '../../src/inference/resnet34.js';
import { readSafetensors } from '../../src/inference/safetensors.js';
import { tensorFlowStatus } from '../../src/training/engine/tensorflow.js';
import { runEvaluate, type EvaluationResult } from '../../src/training/evaluate.js';
import type { PhaseResult } from '../../src/training/heart-run.js';
import { LABELS } from '../../src/training/label-map.js';
import { FRAME_KINDS } from '../../src/training/masked-frames.js';
import { HEART_RECIPE } from '../../src/training/recipe.js';
import type { ReportData } from '../../src/training/report/report-data.js';
import { writeReport } from '../../src/training/report/write-report.js';
import type { RunHooks } from '../../src/training/run-log.js';
import { runTrain, type TrainOptions, type TrainResult } from '../../src/training/train.js';
import { heartLike, unlabelledLike, writeDataset, writeStates } from './synth-dataset.js';

const folder = mkdtempSync(join(tmpdir(), 'stetho-heart-'));
const data = join(folder, 'data');
const spec = resnet34(LABELS.length, { stemWidth: 4, blocks: [1, 1], widths: [4, 8] });

const quickFit = { windows: 24, steps: 6, batchSize: 8, maxLearningRate: 3e-3 };

const options = (run: string): TrainOptions => ({
  data,
  run: join(folder, run),
  output: join(folder, `model-${run}`),
  name: 'tiny',
  seed: 3,
  listenWindows: 16,
  pretrainWindows: 32,
  halfWindows: 0.5,
  finetuneWindows: 16,
  batchSize: 4,
  finetuneRuns: 2,
  frameHead: 0.5,
  folds: 2,
  checkpointEverySteps: 2,
  command: 'stethostream train --data data',
  features: heartFeatures,
  spec,
  // A larger test part than the real recipe's: there are few clips.
  recipe: { ...HEART_RECIPE, pretrain: { ...HEART_RECIPE.pretrain, phaseFit: quickFit }, finetune: { ...HEART_RECIPE.finetune, phaseFit: quickFit }, testShare: 0.25, calibrationShare: 0.2 },
});

describe.skipIf(!tensorFlowStatus().installed)('train --preset heart (needs `npm run setup:tensorflow`)', () => {
  let result: TrainResult;
  const lines: string[] = [];

  beforeAll(async () => {
    writeDataset(data, heartLike());
    // All but one, so that known and unknown states mix.
    writeStates(join(data, 'physionet2016', 'states.jsonl'), heartLike().filter(({ dataset, seed }) => dataset === 'physionet2016' && seed !== 3));
    writeFileSync(join(data, 'broken.wav'), 'RIFF but no sound');
    appendFileSync(join(data, 'manifest.csv'), 'broken.wav,pascal-b,murmur,,m9,A\nmissing.wav,pascal-b,normal,,s99,A\n');
    result = await runTrain(options('whole'), { onLine: (line) => lines.push(line) });
  }, 240_000);

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('says what computes, in the log and in the report', () => {
    const [said] = lines.filter((line) => line.startsWith('engine: '));
    expect(said).toMatch(/^engine: TensorFlow \d+\.\d+\.\d+ on the [CG]PU$/);
    expect(readFileSync(result.report.html, 'utf8')).toContain(said!.slice('engine: '.length));
  });

  it('names what it could not read and goes on', () => {
    expect(result.skipped.map(({ file }) => file).sort()).toEqual(['broken.wav', 'missing.wav']);
    expect(lines.filter((line) => line.startsWith('skipped'))).toHaveLength(2);
  });

  it('writes a package that loads, with its recipe, thresholds and card', async () => {
    const { manifest, golden, folder: at } = await loadModelPackage(result.model.folder);
    expect(manifest.labels).toEqual([...LABELS]);
    expect(manifest.features).toEqual(heartFeatures);
    expect(manifest.training).toMatchObject({ seed: 3, command: 'stethostream train --data data' });
    expect(manifest.training.datasets.map(({ name }) => name).sort()).toEqual(['pascal-a', 'pascal-b', 'physionet2016']);
    expect(golden.input.some((x) => x !== 0)).toBe(true);
    const card = readFileSync(join(at, 'README.md'), 'utf8');
    expect(card).toContain('not a medical device');
    expect(card).toContain('yaseen');
    expect(card).toContain('In the first 50 % of pre-training');
    expect(card).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('says of every held-out clip what the trainer said, within 1e-3, by the code that serves live streams', async () => {
    expect(result.results.predictions.physionet.length).toBeGreaterThan(2);
    expect(result.model.largestDifference).toBeLessThan(1e-3);
    const evaluation = await runEvaluate({ folder: data, model: result.model.folder, datasets: ['physionet2016'], floors: false, resamples: 10 });
    const served = new Map(evaluation.predictions.map((p) => [p.file, p.probabilities]));
    for (const { file, probabilities } of result.results.predictions.physionet) {
      probabilities.forEach((p, i) => expect(Math.abs((served.get(file)?.[i] ?? NaN) - p)).toBeLessThan(1e-3));
      expect(probabilities.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
    }
  });

  it('trains a frame head where heart states are known, judges it on held-out recordings, and ships what the phase branch listens by', async () => {
    const { framesAccuracy } = result.results;
    expect(framesAccuracy!.frames).toBeGreaterThan(300);
    expect(framesAccuracy!.value).toBeGreaterThan(0);
    expect(framesAccuracy!.value).toBeLessThanOrEqual(1);
    const division = JSON.parse(readFileSync(join(folder, 'whole', 'division.json'), 'utf8')) as { test: string[] };
    expect(framesAccuracy!.clips).toBe(division.test.filter((file) => file !== heartLike()[2]!.file).length);
    expect(lines.some((line) => line.startsWith('heart states of 15 recordings'))).toBe(true);
    expect(lines.filter((line) => line.includes('frames up to step'))).toEqual(['pretrain: 92 of 188 frames up to step 4']);
    expect(lines.some((line) => /^pretrain: framesAccuracy 0\.\d{4} over/.test(line))).toBe(true);
    const weights = async (phase: string) => [...(await readSafetensors(join(folder, 'whole', phase, 'weights.safetensors'))).tensors.keys()];
    expect(await weights('pretrain')).toContain('frames.weight');
    expect(await weights('final')).toEqual(expect.arrayContaining(['frames.weight', 'phase.hidden.weight', 'phase.out.bias']));
    expect(lines.filter((line) => /^(pretrain|fold-\d\/member-\d|final\/member-\d): phase branch fitted to 24 windows of \d+ groups, loss \d\.\d+$/.test(line))).toHaveLength(7);
    expect(result.results.phase).toMatchObject({ phases: 8, height: heartFeatures.mel.nMels, width: heartFeatures.windowFrames });
    expect(readFileSync(join(result.model.folder, 'README.md'), 'utf8')).toContain('Phase branch: the frame head tells 8 phases');
    expect(readFileSync(join(result.model.folder, 'README.md'), 'utf8')).toMatch(/right in \.\d+ of \d+ known frames/);
  });

  it('averages fine-tunings by different draws, and says what that gained over a single one', async () => {
    for (const phase of ['fold-1', 'fold-2', 'final']) {
      const [first, second, averaged] = await Promise.all([`${phase}/member-1`, `${phase}/member-2`, phase].map(async (name) => (await readSafetensors(join(folder, 'whole', name, 'weights.safetensors'))).tensors));
      for (const name of ['conv1.weight', 'bn1.running_var', 'fc.bias']) {
        const [a, b, mean] = [first, second, averaged].map((state) => state!.get(name)!.data);
        expect(a).not.toEqual(b);
        mean!.forEach((x, i) => expect(x).toBeCloseTo((a![i]! + b![i]!) / 2, 6));
      }
    }
    const { soup, crossValidation } = result.results;
    expect(soup!.members).toBe(2);
    expect(soup!.each).toHaveLength(2);
    expect(soup!.averaged.accuracy).toBe(crossValidation.accuracy.value);
    expect(soup!.single.macroF1).toBeCloseTo((soup!.each[0]!.macroF1 + soup!.each[1]!.macroF1) / 2, 12);
    // A member's figures are those of all folds' clips by that member alone.
    const member = (fold: number) => (JSON.parse(readFileSync(join(folder, 'whole', `fold-${fold}`, 'member-2', 'result.json'), 'utf8')) as PhaseResult).logits['validation']!;
    expect([1, 2].flatMap(member).map(({ file }) => file).sort()).toEqual(result.results.predictions.crossValidation.map(({ file }) => file).sort());
    expect(existsSync(join(folder, 'whole', 'fold-1', 'member-1', 'checkpoint'))).toBe(false);
    expect(readFileSync(join(result.model.folder, 'README.md'), 'utf8')).toContain('Each fine-tuning was done 2 times');
    expect(readFileSync(result.report.html, 'utf8')).toContain('model soup');
  });

  it('judges every target clip once, by weights that never saw its subject', () => {
    const division = JSON.parse(readFileSync(join(folder, 'whole', 'division.json'), 'utf8')) as { folds: string[][]; test: string[]; pretrain: string[] };
    const judged = result.results.predictions.crossValidation.map(({ file }) => file).sort();
    expect(judged).toEqual(division.folds.flat().sort());
    expect(judged).toHaveLength(20);
    expect(division.test.filter((file) => division.pretrain.includes(file))).toEqual([]);
  });

  it('leaves a report that needs nothing else, and can be written again from the run folder', async () => {
    const html = readFileSync(result.report.html, 'utf8');
    expect(html).toContain('Research and education only, not a medical device.');
    // Base64 may hold any word.
    expect(html.replaceAll(/data:[^"]*/g, '')).not.toMatch(/NaN|undefined|<script|https?:\/\//);
    expect(html.match(/<svg viewBox/g)).toHaveLength(9);
    expect(html.match(/<audio/g)?.length).toBeGreaterThan(4);
    // Twelve of the largest losses, and two of each class that were called rightly.
    expect(html.match(/<audio/g)?.length).toBeLessThanOrEqual(12 + 2 * 4 * 2);
    const clips = html.match(/<audio/g)?.length ?? 0;
    expect(html.match(/<div class="cam/g)).toHaveLength(clips);
    expect(html.match(/<img class="veil"/g)?.length).toBeGreaterThan(clips);
    const data = JSON.parse(readFileSync(result.report.json, 'utf8')) as ReportData;
    expect(data.parts.map((part) => part.name)).toEqual(['cross-validation', 'held-out']);
    expect(data.again).toMatchObject({ command: 'stethostream train --data data', seed: 3, environment: { node: process.version } });
    expect(data.parts[0]?.topLosses[0]!.loss).toBeGreaterThanOrEqual(data.parts[0]?.topLosses[1]!.loss ?? NaN);
    const again = await writeReport(join(folder, 'whole'));
    expect(readFileSync(again.html, 'utf8')).toBe(html);
    await expect(writeReport(data.again.data)).rejects.toMatchObject({ code: 'TRAINING_RUN_UNFINISHED' });
  });

  it('does not die at the end of the recordings that it only judges: those that can’t be read are named, and the package is there', async () => {
    const others = join(data, 'yaseen');
    const aside = join(folder, 'yaseen-aside');
    const said: string[] = [];
    renameSync(others, aside);
    try {
      const model = join(folder, 'model-without-others');
      const { model: packaged } = await runTrain({ ...options('whole'), output: model }, { onLine: (line) => said.push(line) });
      expect(said.filter((line) => line.startsWith('skipped yaseen/'))).toHaveLength(6);
      expect(said).toContainEqual(expect.stringMatching(/^recordings of other sources: none of 6 .* judged without them$/));
      expect(readFileSync(join(packaged.folder, 'README.md'), 'utf8')).toContain('None were at hand.');
    } finally {
      renameSync(aside, others);
    }
  }, 60_000);

  describe('evaluate', () => {
    let json: EvaluationResult;
    beforeAll(async () => {
      json = JSON.parse(JSON.stringify(await runEvaluate({ folder: data, model: result.model.folder, resamples: 50 }))) as EvaluationResult;
    }, 60_000);

    it('has the documented keys, each with its interval', () => {
      expect(Object.keys(json.datasets).sort()).toEqual(['pascal-a', 'pascal-b', 'physionet2016', 'yaseen']);
      for (const set of Object.values(json.datasets)) {
        expect(set.n).toBeGreaterThan(0);
        for (const key of ['accuracy', 'balancedAccuracy', 'macroF1'] as const) {
          const { value, low, high } = set[key];
          expect(low).toBeLessThanOrEqual(value);
          expect(high).toBeGreaterThanOrEqual(value);
        }
      }
      for (const name of ['pascal-b', 'physionet2016', 'yaseen']) {
        for (const key of ['auroc', 'macc'] as const) {
          expect(json.datasets[name]?.[key], `${name} ${key}`).toEqual({ value: expect.any(Number) as number, low: expect.any(Number) as number, high: expect.any(Number) as number });
        }
      }
      expect(json.datasets['pascal-a']?.auroc).toBeNull();
      expect(Object.keys(json.datasets['pascal-b']?.floors ?? {})).toEqual(['majority', 'length', 'meanSpectrum']);
      expect(json.skipped).toHaveLength(2);
    });

    it('refuses a data set that is not there, naming those that are', async () => {
      await expect(runEvaluate({ folder: data, model: result.model.folder, datasets: ['circor'] })).rejects.toMatchObject({
        code: 'TRAINING_DATASET_MISSING',
        remedy: expect.stringContaining('pascal-b') as string,
      });
    });
  });

  it('goes on after being cut off anywhere, to the same weights', async () => {
    const cutAt = (phase: string, afterSteps: number): RunHooks => ({
      onProgress: (progress) => {
        if (progress.phase === phase && progress.done >= afterSteps * 4) throw new Error('cut off');
      },
    });
    const { output } = options('cut');
    mkdirSync(output!);
    writeFileSync(join(output!, 'earlier'), 'a package of last year');
    // Each attempt takes the run a little further; checkpoints are written every 2 steps.
    for (const [phase, steps] of [['listen', 4], ['pretrain', 8], ['fold-1/member-1', 4], ['fold-1/member-2', 2], ['final/member-2', 4], ['judging the package', 1]] as const) {
      await expect(runTrain(options('cut'), cutAt(phase, steps)), phase).rejects.toThrow('cut off');
    }
    expect(readdirSync(output!), 'an earlier package stays until the new one is whole').toEqual(['earlier']);
    const recalled: string[] = [];
    const resumed = await runTrain(options('cut'), { onRecall: ({ phase }) => recalled.push(phase) });
    expect(recalled).toEqual(['listen', 'pretrain', 'fold-1', 'fold-2', 'final']);
    expect(readdirSync(output!).sort()).toEqual(['README.md', 'golden.json', 'manifest.json', 'weights.onnx']);
    expect(existsSync(join(folder, 'cut', 'draft-model'))).toBe(false);
    for (const phase of ['listen', 'pretrain', 'fold-1/member-2', 'fold-1', 'fold-2', 'final']) {
      const [a, b] = await Promise.all(['whole', 'cut'].map((run) => readSafetensors(join(folder, run, phase, 'weights.safetensors'))));
      for (const [name, tensor] of a!.tensors) expect(b!.tensors.get(name)?.data, `${phase} ${name}`).toEqual(tensor.data);
    }
    expect(resumed.results.crossValidation).toEqual(result.results.crossValidation);
  }, 240_000);

  it('pseudo-labels unlabelled recordings for a fold only of subjects that it does not judge', async () => {
    const unlabelled = join(folder, 'unlabelled');
    writeDataset(unlabelled, [...heartLike(), ...unlabelledLike()]);
    const told: string[] = [];
    const taught = { ...options('taught'), data: unlabelled, listenWindows: 12, pretrainWindows: 8, finetuneWindows: 8, finetuneRuns: 1, pseudoLabels: true, start: join(folder, 'whole', 'pretrain', 'weights.safetensors'), fastMath: true };
    // Untrained as it is, the network is sure of nothing: any label will do.
    const { results, model } = await runTrain({ ...taught, recipe: { ...taught.recipe!, pseudoConfidence: 0 } }, { onLine: (line) => told.push(line) });
    expect(told.some((line) => /^start: weights\.safetensors \(\d+ % of the network's values; a fresh head\)$/.test(line))).toBe(true);
    expect(readFileSync(join(model.folder, 'README.md'), 'utf8')).toContain('Start from weights.safetensors (');
    // It listened without labels first, and went on from what that left of the trunk.
    const listened = (await readSafetensors(join(folder, 'taught', 'listen', 'weights.safetensors'))).tensors;
    expect(listened.get('frames.bias')!.shape[0]! % FRAME_KINDS).toBe(0);
    expect(results.curves['listen']!.at(-1)).toMatchObject({ step: 3 });
    expect(results.curves['listen']!.at(-1)!.loss).toBeGreaterThan(1);
    expect(readFileSync(join(model.folder, 'README.md'), 'utf8')).toContain('| self-supervised | 12 |');
    expect(JSON.stringify(JSON.parse(readFileSync(join(folder, 'taught', 'report.json'), 'utf8')))).toContain('telling hidden frames');
    await expect(runTrain({ ...taught, start: join(folder, 'none.safetensors') })).rejects.toMatchObject({ code: 'TRAINING_WEIGHTS_MISSING' });
    expect(told).toContain('heart states: no states.jsonl in the folder, so the frame head is left out');
    expect(results.framesAccuracy).toBeNull();
    // Nobody to teach the phases: the ResNet alone.
    expect(results.phase).toBeNull();
    expect([...(await readSafetensors(join(folder, 'taught', 'final', 'weights.safetensors'))).tensors.keys()].filter((name) => /^(frames|phase)\./.test(name))).toEqual([]);
    expect(results.soup!.averaged).toEqual(results.soup!.single);
    const run = join(folder, 'taught');
    const division = JSON.parse(readFileSync(join(run, 'division.json'), 'utf8')) as { folds: string[][]; unlabelled: string[] };
    expect(division.unlabelled.sort()).toEqual(unlabelledLike().map(({ file }) => file));
    const subjectOf = new Map([...heartLike(), ...unlabelledLike()].map(({ file, subject }) => [file, subject]));
    division.folds.forEach((validation, fold) => {
      const judged = new Set(validation.map((file) => subjectOf.get(file)));
      const { logits } = JSON.parse(readFileSync(join(run, `fold-${fold + 1}`, 'teacher', 'result.json'), 'utf8')) as PhaseResult;
      expect(logits['unlabelled']!.map(({ file }) => file)).toEqual(unlabelledLike().filter(({ subject }) => !judged.has(subject)).map(({ file }) => file));
    });
    const number = (pattern: RegExp) => Number(told.map((line) => pattern.exec(line)?.[1]).find((found) => found !== undefined));
    for (const phase of ['fold-1', 'fold-2', 'final']) {
      const taken = number(new RegExp(`^${phase}: (\\d+) of \\d unlabelled recordings pseudo-labelled`));
      expect(number(new RegExp(`^${phase}/member-1: (\\d+) clips`))).toBe(number(new RegExp(`^${phase}/teacher: (\\d+) clips`)) + taken);
    }
    expect(Object.keys(results.pseudoLabels!.final).every((label) => ['normal', 'murmur', 'extrasystole'].includes(label))).toBe(true);
    expect(results.predictions.crossValidation).toHaveLength(20);
  }, 120_000);

  it('refuses to go on with other options', async () => {
    await expect(runTrain({ ...options('whole'), seed: 4 })).rejects.toMatchObject({ code: 'TRAINING_RUN_MISMATCH' });
  });

  it('says at the start what would end the run later', async () => {
    await expect(runTrain({ ...options('few'), folds: 6 })).rejects.toMatchObject({ code: 'TRAINING_CLASS_MISSING' });
    await expect(runTrain({ ...options('none'), recipe: { ...HEART_RECIPE, targetDataset: 'circor' } })).rejects.toMatchObject({ code: 'TRAINING_DATASET_MISSING' });
    const inFile = join(data, 'broken.wav', 'folder');
    for (const where of ['run', 'output']) {
      await expect(runTrain({ ...options('nowhere'), [where]: inFile })).rejects.toMatchObject({ code: 'TRAINING_FOLDER_UNWRITABLE', remedy: expect.stringContaining(`--${where}`) as string });
    }
  });
});
