/**
 * `stethostream train --preset article`: the recipe of the article that this project started from, whole.
 *
 * Mel spectrograms of whole clips as pictures, ResNet-34 (from ImageNet where weights are given), 70:30 split, batch 4,
 * learning-rate finder, frozen body with learning batch norm, one-cycle with Adam, optionally the body freed with
 * discriminative rates; then error rate, confusion, losses and the report. Every phase's result is on disk, so a killed
 * run goes on to the same end.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { StageError } from '../../common/stage-error.js';
import { readSafetensors, writeSafetensors } from '../../inference/safetensors.js';
import type { StateDict } from '../../inference/state-dict.js';
import type { LoadedAudio, LoadedRecording } from '../audio-cache.js';
import { openDataset } from '../datasets/open-dataset.js';
import { standing } from '../early-stopping.js';
import { findLearningRate, oneCycle, type FinderPoint } from '../engine/schedule.js';
import { discriminativeRates } from '../engine/rates.js';
import { discardCheckpoint, runStage, type CurvePoint, type StageProgress } from '../fit.js';
import { LABELS, labelSetName, type LabelSet } from '../label-map.js';
import { requireEngine } from '../learner.js';
import { loadListed } from '../load-listed.js';
import { noteEnvironment } from '../report/environment.js';
import type { EpochFigures } from '../report/report-data.js';
import { writeReport } from '../report/write-report.js';
import { floorSummaries } from '../results.js';
import { RunLog, writeAtomically, type RunHooks } from '../run-log.js';
import { requireRoom, runBytes } from '../require-room.js';
import { claimRun } from '../run-identity.js';
import { groupHoldout, randomHoldout, type Split } from '../splits.js';
import { datasetClasses, ONE_HALF, summariseDataset, type ClipPrediction } from '../summary.js';
import { NO_PACKAGE, type ArticleResults, type FinderResult } from './article-results.js';
import { clipPicture } from './images.js';
import { PictureBatches, PictureLearner, type PictureItem } from './image-learner.js';
import { articleNetwork, articleSettings, type ArticleOptions, type ArticleSettings } from './options.js';
import { readStartWeights } from './start-weights.js';

export interface ArticleResult {
  results: ArticleResults;
  /** Final weights, torchvision's names; its metadata names labels and image size. */
  weights: string;
  report: { html: string; json: string };
  skipped: LoadedAudio['skipped'];
  runFolder: string;
}

/** Throws StageErrors (stage `training`; docs/errors.md). */
export async function runArticle(options: ArticleOptions, hooks: RunHooks = {}): Promise<ArticleResult> {
  const settings = articleSettings(options);
  requireRoom(settings.run, runBytes(articleNetwork(settings, 2), 1), { option: '--run' });
  const log = new RunLog({ folder: settings.run, ...hooks });
  const device = requireEngine(log);
  const { command, run } = settings;
  // An option that is off is left out: runs from before it existed go on.
  const aside = ['command', 'run', 'checkpointEverySteps', ...(settings.earlyStopping === null ? ['earlyStopping'] : [])];
  claimRun(run, { preset: 'article', ...without(settings, aside) }, log);
  noteEnvironment(run, command, device);
  const start = await readStart(settings, log);
  const { recordings, skipped } = await load(settings, log);
  const classes = datasetClasses(recordings.map((r) => r.set));
  const split = divide(recordings, classes, settings);
  const spec = articleNetwork(settings, classes.length);
  const job: Job = { settings, log, recordings, classes, split: split.split, learner: new PictureLearner(spec, classes, settings), pictures: pictures(recordings, settings, log) };
  try {
    if (start.state) job.learner.trainer.loadStateDict(start.state);
    const trained = await train(job);
    const results = await judge(job, { ...trained, start: start.text, split });
    writeAtomically(join(run, 'results.json'), JSON.stringify(results, null, 1));
    const weights = await writeWeights(job, results);
    const report = await writeReport(run, { command });
    log.line(NO_PACKAGE);
    log.line(`done: error rate ${(100 * results.errorRate).toFixed(1)} %; weights ${weights}; report ${report.html}`);
    return { results, weights, report: { html: report.html, json: report.json }, skipped, runFolder: run };
  } finally {
    job.learner.trainer.dispose();
  }
}

interface Job {
  settings: ArticleSettings;
  log: RunLog;
  recordings: LoadedRecording[];
  classes: LabelSet[];
  split: Split;
  learner: PictureLearner;
  pictures: PictureItem[];
}

async function load(settings: ArticleSettings, log: RunLog): Promise<LoadedAudio> {
  const { recordings, problems } = openDataset(settings.data);
  const names = [...new Set(recordings.filter((r) => r.set !== 0).map((r) => r.dataset))];
  const dataset = settings.dataset ?? (names.includes('pascal-b') ? 'pascal-b' : names.length === 1 ? names[0] : undefined);
  if (dataset === undefined || !names.includes(dataset)) {
    throw trainingError('TRAINING_DATASET_MISSING', `${settings.data} holds labelled recordings of ${names.join(', ') || 'no data set'}${settings.dataset ? `, not of ${settings.dataset}` : ''}`, 'Choose one of them with --dataset.');
  }
  const renamed = problems.filter((problem) => problem.code === 'NAME_MISMATCH').length;
  if (renamed > 0) log.line(`${renamed} names in the list differ from the files on disk; they were matched`);
  for (const { file, message } of problems.filter((problem) => problem.code !== 'NAME_MISMATCH')) log.line(`${file}: ${message}`);
  const listed = recordings.filter((r) => r.dataset === dataset && r.set !== 0);
  return loadListed(listed, settings.features, log, `recordings of ${dataset}`);
}

interface Divided {
  split: Split;
  sharedSubjects: number;
  validationSubjects: number;
}

/** Throws TRAINING_CLASS_MISSING: what would spoil the run later is known at its start. */
function divide(recordings: readonly LoadedRecording[], classes: readonly LabelSet[], { split: kind, validationShare, seed, batchSize }: ArticleSettings): Divided {
  const split =
    kind === 'random' ? randomHoldout(recordings.length, validationShare, seed) : groupHoldout(recordings.map((r) => ({ group: r.group, stratum: r.label })), validationShare, seed);
  const setsOf = (indices: readonly number[]) => new Set(indices.map((i) => recordings[i]?.set));
  const [trained, judged] = [setsOf(split.training), setsOf(split.validation)];
  const absent = classes.find((set) => !trained.has(set) || !judged.has(set));
  if (classes.length < 2) throw trainingError('TRAINING_CLASS_MISSING', 'the readable, labelled recordings have fewer than two classes', 'Add recordings of another class, or correct the labels.');
  if (absent !== undefined) {
    throw trainingError('TRAINING_CLASS_MISSING', `the class "${labelSetName(absent)}" is not on both sides of the ${kind} split (seed ${seed})`, 'Add recordings of more subjects, or choose another seed or validation share.');
  }
  if (split.training.length < batchSize) {
    throw trainingError('TRAINING_OPTION_INVALID', `${split.training.length} recordings to train on do not fill a batch of ${batchSize}`, 'Ask for a smaller --batch-size.');
  }
  const groups = (indices: readonly number[]) => new Set(indices.map((i) => recordings[i]?.group));
  const [left, right] = [groups(split.training), groups(split.validation)];
  return { split, sharedSubjects: [...right].filter((group) => left.has(group)).length, validationSubjects: right.size };
}

function pictures(recordings: readonly LoadedRecording[], settings: ArticleSettings, log: RunLog): PictureItem[] {
  const clock = log.phase('pictures', recordings.length, 'clips');
  return recordings.map((recording, i) => {
    clock.update(i + 1);
    return { picture: clipPicture(recording.pcm, settings.features), set: recording.set };
  });
}

/** Start weights, and in words what the network starts from. Read before the recordings are: a file that does not fit is known at once. */
async function readStart(settings: ArticleSettings, log: RunLog): Promise<{ state: StateDict | null; text: string }> {
  if (settings.weights === null) {
    log.line('start: random weights (no --weights given), so the body is not frozen unless asked for');
    return { state: null, text: 'random weights' };
  }
  // The classifier is never taken, so the number of classes does not matter.
  const { state, taken, all, missing } = await readStartWeights(settings.weights, articleNetwork(settings, 2));
  const share = ((100 * taken) / all).toFixed(0);
  const text = `${settings.weights} (${share} % of the network's values; stem summed to one channel${missing.length > 2 ? '; missing blocks start as identity' : ''})`;
  log.line(`start: ${text}`);
  return { state, text };
}

interface Trained {
  finder: FinderResult | null;
  epochs: EpochFigures[];
  curves: Record<string, CurvePoint[]>;
  seconds: number;
}

async function train(job: Job): Promise<Trained> {
  const { settings, learner } = job;
  const finder = settings.finderSteps > 0 ? find(job) : null;
  const peak = settings.learningRate === 'auto' ? Math.max(1e-4, Math.min(1e-2, finder?.suggestion ?? 1e-3)) : settings.learningRate;
  learner.trainer.setFrozen(settings.freeze);
  const first = await runPhase(job, { name: settings.freeze ? 'frozen' : 'whole', number: 1, epochs: settings.epochs, peak });
  const phases = [first];
  if (settings.unfreezeEpochs > 0) {
    learner.trainer.setFrozen(false);
    // fastai's groups, a factor of ten apart.
    learner.trainer.setRates(discriminativeRates(0.01));
    // Half the rate for the head, as fastai's fine_tune has it.
    phases.push(await runPhase(job, { name: 'unfrozen', number: 2, epochs: settings.unfreezeEpochs, peak: peak / 2 }));
  }
  return {
    finder: finder ? { ...finder, used: peak } : null,
    epochs: phases.flatMap((phase) => phase.epochs),
    curves: Object.fromEntries(phases.map((phase) => [phase.name, phase.curve])),
    seconds: phases.reduce((sum, phase) => sum + phase.seconds, 0),
  };
}

/** The finder on the start weights, which are put back afterwards; done once per run. */
function find({ settings, learner, log, pictures: items, split }: Job): { points: FinderPoint[]; suggestion: number } {
  const file = join(settings.run, 'finder.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as { points: FinderPoint[]; suggestion: number };
  const { finderSteps, batchSize, imageSize, seed } = settings;
  const batches = new PictureBatches(split.training.map((i) => items[i] as PictureItem), { batchSize, imageSize, seed: seed + 7 });
  const clock = log.phase('learning-rate finder', finderSteps, 'steps');
  const before = learner.trainer.stateDict({ ema: false });
  learner.trainer.setFrozen(settings.freeze);
  let step = 0;
  const found = findLearningRate(
    (learningRate) => {
      const loss = learner.step(batches.batch(step), { learningRate, beta1: 0.95 });
      clock.update(++step, loss);
      return loss;
    },
    { steps: finderSteps },
  );
  learner.trainer.loadStateDict(before);
  log.line(`learning-rate finder: suggestion ${found.suggestion.toExponential(2)} after ${found.points.length} steps`);
  writeAtomically(file, JSON.stringify(found));
  return found;
}

interface Phase {
  name: string;
  number: number;
  epochs: number;
  peak: number;
}

interface PhaseResult {
  name: string;
  epochs: EpochFigures[];
  curve: CurvePoint[];
  seconds: number;
}

/** One one-cycle over so many epochs; the validation clips are judged after each, and with early stopping decide how many. */
async function runPhase(job: Job, { name, number, epochs, peak }: Phase): Promise<PhaseResult> {
  const { settings, learner, log, pictures: items, split } = job;
  const folder = join(settings.run, name);
  const resultFile = join(folder, 'result.json');
  const weightsFile = join(folder, 'weights.safetensors');
  if (existsSync(resultFile)) {
    learner.trainer.loadStateDict((await readSafetensors(weightsFile)).tensors);
    return JSON.parse(readFileSync(resultFile, 'utf8')) as PhaseResult;
  }
  mkdirSync(folder, { recursive: true });
  learner.trainer.resetOptimizer();
  const { batchSize, imageSize, seed, checkpointEverySteps } = settings;
  const batches = new PictureBatches(split.training.map((i) => items[i] as PictureItem), { batchSize, imageSize, seed: seed * 1000 + number });
  const steps = epochs * batches.stepsPerEpoch;
  const epochsFile = join(folder, 'epochs.json');
  const done = existsSync(epochsFile) ? (JSON.parse(readFileSync(epochsFile, 'utf8')) as EpochFigures[]) : [];
  log.line(`${name}: ${split.training.length} clips, ${epochs} epochs of ${batches.stepsPerEpoch} steps of ${batchSize}, peak learning rate ${peak.toExponential(2)}`);
  let progress: StageProgress | undefined;
  for (let epoch = done.length; epoch < epochs && !standingOf(done, settings).stop; epoch++) {
    const before = progress?.seconds ?? done.reduce((sum, e) => sum + e.seconds, 0);
    progress = await runStage(learner, {
      name: `${name}, epoch ${epoch + 1} of ${epochs}`,
      folder,
      steps: (epoch + 1) * batches.stepsPerEpoch,
      batchSize,
      schedule: oneCycle({ steps, maxLearningRate: peak }),
      batch: (step) => batches.batch(step),
      checkpointEverySteps,
      log,
      ...(progress ? { progress } : {}),
    });
    done.push({ phase: name, epoch: epoch + 1, ...validate(job, `${name}: judging epoch ${epoch + 1}`), trainingLoss: progress.curve.at(-1)?.loss ?? NaN, seconds: progress.seconds - before });
    await keepIfBest(job, folder, done);
    writeAtomically(epochsFile, JSON.stringify(done));
    discardBest(folder, standingOf(done, settings).best);
    const { trainingLoss, validationLoss, errorRate } = done[done.length - 1] as EpochFigures;
    log.line(`${name}: epoch ${epoch + 1} of ${epochs}: training loss ${trainingLoss.toFixed(4)}, validation loss ${validationLoss.toFixed(4)}, error rate ${(100 * errorRate).toFixed(1)} %`);
  }
  progress ??= await lastProgress(job, folder, name, done.length * batches.stepsPerEpoch, batches);
  const result: PhaseResult = { name, epochs: await backToBest(job, folder, done), curve: progress.curve, seconds: progress.seconds };
  await writeSafetensors(weightsFile, learner.trainer.stateDict({ ema: false }));
  writeAtomically(resultFile, JSON.stringify(result));
  discardCheckpoint(folder);
  discardBest(folder);
  return result;
}

function standingOf(done: readonly EpochFigures[], { earlyStopping }: ArticleSettings): { best: number; stop: boolean } {
  return standing(done.map((epoch) => epoch.validationLoss), earlyStopping ?? Infinity);
}

const bestFile = (folder: string, epoch: number) => join(folder, `best-${epoch + 1}.safetensors`);

/** Each best epoch has its own file, and the one before goes only when the figures on disk name this one. */
async function keepIfBest({ settings, learner }: Job, folder: string, done: readonly EpochFigures[]): Promise<void> {
  const last = done.length - 1;
  if (settings.earlyStopping === null || standingOf(done, settings).best !== last) return;
  await writeSafetensors(bestFile(folder, last), learner.trainer.stateDict({ ema: false }));
}

function discardBest(folder: string, but = -1): void {
  const keep = bestFile(folder, but);
  for (const name of readdirSync(folder)) if (/^best-\d+\.safetensors$/.test(name) && join(folder, name) !== keep) rmSync(join(folder, name));
}

/** Puts the best epoch's weights back and marks it, where early stopping was asked for. */
async function backToBest({ settings, learner, log }: Job, folder: string, done: EpochFigures[]): Promise<EpochFigures[]> {
  const { best, stop } = standingOf(done, settings);
  if (settings.earlyStopping === null || best < 0) return done;
  learner.trainer.loadStateDict((await readSafetensors(bestFile(folder, best))).tensors);
  log.line(`early stopping: ${stop ? `no better epoch in ${settings.earlyStopping}` : 'ran to its end'}; the weights of epoch ${best + 1} are kept`);
  return done.map((epoch, i) => (i === best ? { ...epoch, kept: true } : epoch));
}

/** Killed between the last epoch's figures and the phase's result: the checkpoint holds the rest. */
function lastProgress({ learner, settings, log }: Job, folder: string, name: string, steps: number, batches: PictureBatches): Promise<StageProgress> {
  const { batchSize, checkpointEverySteps } = settings;
  return runStage(learner, { name, folder, steps, batchSize, schedule: () => ({ learningRate: 0, beta1: 0.9 }), batch: (step) => batches.batch(step), checkpointEverySteps, log });
}

/** Loss and error rate on the validation clips. */
function validate(job: Job, phase: string): { validationLoss: number; errorRate: number } {
  const { classes, pictures: items, split } = job;
  const judged = probabilitiesOf(job, phase);
  let [loss, wrong] = [0, 0];
  split.validation.forEach((index, row) => {
    const p = judged[row] as Float32Array;
    const actual = classes.indexOf((items[index] as PictureItem).set);
    loss -= Math.log(Math.max(1e-12, p[actual] ?? 0)) / split.validation.length;
    if (p.some((value) => value > (p[actual] ?? 0))) wrong++;
  });
  return { validationLoss: loss, errorRate: wrong / split.validation.length };
}

function probabilitiesOf({ learner, pictures: items, split, log }: Job, phase: string): Float32Array[] {
  const clock = log.phase(phase, split.validation.length, 'clips');
  return learner.probabilities(split.validation.map((i) => (items[i] as PictureItem).picture), (done) => clock.update(done));
}

async function judge(job: Job, { split: divided, start, finder, epochs, curves, seconds }: Trained & { split: Divided; start: string }): Promise<ArticleResults> {
  const { settings, log, recordings, classes, split } = job;
  const predictions = toPredictions(job, probabilitiesOf(job, 'judging the validation clips'));
  log.line('results: bootstrap intervals and floors');
  const summary = summariseDataset(predictions, ONE_HALF, settings.seed);
  return {
    preset: 'article',
    dataset: recordings[0]?.dataset ?? '',
    classes: classes.map((set) => labelSetName(set)),
    split: { kind: settings.split, training: split.training.length, validation: split.validation.length, sharedSubjects: divided.sharedSubjects, validationSubjects: divided.validationSubjects },
    start,
    frozen: settings.freeze,
    finder,
    epochs,
    curves,
    secondsTrained: seconds,
    errorRate: 1 - summary.accuracy.value,
    summary,
    floors: floorSummaries(recordings, [split], settings.features, settings.seed),
    predictions,
  };
}

/** A class's probability is put on its lowest label. */
function toPredictions({ recordings, classes, split }: Job, judged: readonly Float32Array[]): ClipPrediction[] {
  return split.validation.map((index, row) => {
    const { file, dataset, site, group, label, set, durationS } = recordings[index] as LoadedRecording;
    const probabilities = LABELS.map((_, bit) => {
      const k = classes.findIndex((members) => 31 - Math.clz32(members & -members) === bit);
      return k < 0 ? 0 : (judged[row]?.[k] ?? 0);
    });
    return { file, dataset, site, group, label, set, durationS, windows: 1, probabilities };
  });
}

async function writeWeights({ settings, learner }: Job, results: ArticleResults): Promise<string> {
  const file = join(settings.run, 'weights.safetensors');
  const metadata = { preset: 'article', labels: results.classes.join(','), imageSize: String(settings.imageSize), start: results.start };
  await writeSafetensors(file, learner.trainer.stateDict({ ema: false }), { metadata });
  return file;
}

function without(settings: ArticleSettings, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !names.includes(name)));
}

function trainingError(code: string, message: string, remedy: string): StageError {
  return new StageError({ code, stage: 'training', message, remedy });
}
