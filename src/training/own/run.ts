/**
 * `stethostream train --preset own`: a classifier of one data set's own labels, cross-validated by subject. For
 * experiments: it leaves figures, each fold's weights and a report, no model package. A fold whose result is on disk is
 * not repeated, so that a killed run goes on where it was.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { StageError } from '../../common/stage-error.js';
import { windowSpanSamples } from '../../features/index.js';
import { resnet34, type ResNetSpec } from '../../inference/resnet34.js';
import { writeSafetensors } from '../../inference/safetensors.js';
import type { StateDict } from '../../inference/state-dict.js';
import type { LoadedAudio, LoadedRecording } from '../audio-cache.js';
import { clipLogits } from '../clip-logits.js';
import { openDataset } from '../datasets/open-dataset.js';
import { precisionOf, precisionWarnings } from '../engine/fast-math.js';
import { discardCheckpoint, recallCurve } from '../fit.js';
import { openLearner, requireEngine, type OpenLearner } from '../learner.js';
import { loadListed } from '../load-listed.js';
import { loadStates, withoutHeadIfNone, type StatesByPath } from '../load-states.js';
import type { Recording } from '../manifest-csv.js';
import { spreadLengths } from '../recipe.js';
import { noteEnvironment } from '../report/environment.js';
import { writeReport } from '../report/write-report.js';
import { requireRoom, runBytes } from '../require-room.js';
import { claimRun } from '../run-identity.js';
import { RunLog, writeAtomically, type RunHooks } from '../run-log.js';
import { loadStart } from '../start-from.js';
import { trainStage } from '../train-stage.js';
import { divideOwn, type OwnFold } from './division.js';
import { ownLabels, withOwnSets, type OwnLabels } from './labels.js';
import { ownSettings, type OwnOptions, type OwnSettings } from './options.js';
import { collectOwn, type OwnFoldResult, type OwnResults } from './results.js';

export interface OwnResult {
  results: OwnResults;
  report: { html: string; json: string };
  skipped: LoadedAudio['skipped'];
  runFolder: string;
}

/** Throws StageErrors (stage `training`; docs/errors.md). */
export async function runOwn(options: OwnOptions, hooks: RunHooks = {}): Promise<OwnResult> {
  const settings = ownSettings(options);
  // How many labels there will be changes little of it.
  requireRoom(settings.run, runBytes(resnet34(2, settings.network), settings.folds), { option: '--run' });
  const log = new RunLog({ folder: settings.run, ...hooks });
  const device = requireEngine(log);
  const { command, run } = settings;
  claimRun(run, { preset: 'own', ...identity(settings) }, log);
  noteEnvironment(run, command, device);
  for (const warning of precisionWarnings(settings.fastMath)) log.line(warning);
  const { dataset, listed } = list(settings, log);
  const labels = ownLabels(listed, dataset, settings.binary);
  // Said before an hour of decoding; the recordings that can't be read may change it.
  divideOwn(withOwnSets(listed, labels.vocabulary), labels.vocabulary, settings);
  const spec = resnet34(labels.vocabulary.labels.length, settings.network);
  const start = await loadStart(settings.start, spec);
  const states = loadStates(settings.data, [settings.recipe], log);
  const loaded = await loadListed(listed, settings.features, log);
  const recordings = withOwnSets(loaded.recordings, labels.vocabulary);
  const folds = divideOwn(recordings, labels.vocabulary, settings);
  describe(recordings, folds, labels, start.text, settings, log);
  const job: Job = { settings: { ...settings, recipe: withoutHeadIfNone(settings.recipe, states) }, states, log, spec, labels, recordings, start: start.state };
  const results: OwnFoldResult[] = [];
  for (const [i, fold] of folds.entries()) results.push(await runFold(job, fold, i + 1));
  log.line('results: bootstrap intervals and floors');
  const found = collectOwn({ recordings, labels, folds, results, start: start.text, precision: precisionOf(settings.fastMath), params: settings.features, seed: settings.seed });
  writeAtomically(join(run, 'results.json'), JSON.stringify(found, null, 1));
  const report = await writeReport(run, { command });
  log.line(`done: accuracy ${found.summary.accuracy.value.toFixed(3)}; report ${report.html}`);
  return { results: found, report: { html: report.html, json: report.json }, skipped: loaded.skipped, runFolder: run };
}

/** What decides the result. */
function identity({ data, dataset, seed, folds, binary, start, fastMath, features, network, recipe }: OwnSettings): Partial<OwnSettings> {
  return { data, dataset, seed, folds, binary, start, fastMath, features, network, recipe };
}

interface Job {
  settings: OwnSettings;
  log: RunLog;
  spec: ResNetSpec;
  labels: OwnLabels;
  recordings: LoadedRecording[];
  start: StateDict | undefined;
  /** Empty: no frame head. */
  states: StatesByPath;
}

/** Labelled recordings of the chosen data set. Throws TRAINING_DATASET_MISSING, naming those that are there. */
function list(settings: OwnSettings, log: RunLog): { dataset: string; listed: Recording[] } {
  const { recordings, problems } = openDataset(settings.data, { anyLabel: true });
  const labelled = recordings.filter((r) => r.label !== '');
  const names = [...new Set(labelled.map((r) => r.dataset))];
  const dataset = settings.dataset ?? (names.length === 1 ? names[0] : undefined);
  if (dataset === undefined || !names.includes(dataset)) {
    throw new StageError({
      code: 'TRAINING_DATASET_MISSING',
      stage: 'training',
      message: `${settings.data} holds labelled recordings of ${names.join(', ') || 'no data set'}${settings.dataset === null ? '' : `, not of ${settings.dataset}`}`,
      remedy: names.length > 0 ? 'Choose one of them with --dataset.' : 'Give the recordings labels.',
    });
  }
  for (const { file, message } of problems) log.line(`${file}: ${message}`);
  return { dataset, listed: labelled.filter((r) => r.dataset === dataset) };
}

function describe(recordings: readonly LoadedRecording[], folds: readonly OwnFold[], { vocabulary }: OwnLabels, start: string, { run }: OwnSettings, log: RunLog): void {
  const files = (indices: readonly number[]) => indices.map((i) => recordings[i]?.file ?? '');
  writeAtomically(join(run, 'division.json'), JSON.stringify({ folds: folds.map((fold) => files(fold.validation)), threshold: folds.map((fold) => files(fold.threshold)) }));
  const counts = vocabulary.labels.map((name, i) => `${name} ${recordings.filter((r) => r.set === 1 << i).length}`);
  const sizes = folds.map(({ training, threshold, validation }) => `${training.length}${threshold.length > 0 ? ` + ${threshold.length} for the threshold` : ''} / ${validation.length}`);
  log.line(`${recordings.length} recordings of ${new Set(recordings.map((r) => r.group)).size} subjects: ${counts.join(', ')}`);
  log.line(`folds, training / judged: ${sizes.join('; ')}; start: ${start}`);
}

async function runFold(job: Job, fold: OwnFold, number: number): Promise<OwnFoldResult> {
  const { settings, spec } = job;
  const folder = join(settings.run, `fold-${number}`);
  const resultFile = join(folder, 'result.json');
  if (existsSync(resultFile)) {
    const done = JSON.parse(readFileSync(resultFile, 'utf8')) as OwnFoldResult;
    recallCurve(job.log, `fold-${number}`, done.curve.at(-1)?.step ?? 0, settings.recipe.batchSize, done.curve);
    return done;
  }
  mkdirSync(folder, { recursive: true });
  const learner = openLearner(spec, settings.features, settings.recipe, settings.seed, job.start, { fastMath: settings.fastMath });
  try {
    const { curve, seconds } = await fit(job, fold, number, folder, learner);
    const logits = { validation: await judge(job, learner, fold.validation, `fold ${number}: judging`), threshold: await judge(job, learner, fold.threshold, `fold ${number}: threshold`) };
    // The frame head has done its work.
    await writeSafetensors(join(folder, 'weights.safetensors'), learner.weights({ frameHead: false }));
    const result: OwnFoldResult = { curve, seconds, logits };
    writeAtomically(resultFile, JSON.stringify(result));
    discardCheckpoint(folder);
    return result;
  } finally {
    learner.close();
  }
}

function fit({ settings, labels, recordings, states, log }: Job, { training }: OwnFold, number: number, folder: string, learner: OpenLearner): ReturnType<typeof trainStage> {
  const { features, recipe, seed, checkpointEverySteps } = settings;
  const clips = training.map((i) => {
    const { pcm, dataset, site, set, group, file, path } = recordings[i] as LoadedRecording;
    const own = states.get(path);
    return { ...(own ? { states: own } : {}), pcm, dataset, site, set, group, name: file, label: labels.vocabulary.labels[31 - Math.clz32(set)] ?? '' };
  });
  return trainStage(learner, {
    name: `fold-${number}`,
    folder,
    recipe,
    clips,
    params: features,
    sampling: { seed: seed * 1000 + number, frameClasses: (recipe.frameHeadWeight ?? 0) > 0 ? 'states' : null, segmentLengths: spreadLengths(windowSpanSamples(features), features.mel.sampleRateHz) },
    checkpointEverySteps,
    log,
  });
}

/** Logits of every window of the clips, by the averaged weights. */
function judge({ settings, log, recordings }: Job, learner: OpenLearner, indices: readonly number[], phase: string): ReturnType<typeof clipLogits> {
  const clock = log.phase(phase, indices.length, 'clips');
  return clipLogits(indices.map((i) => recordings[i] as LoadedRecording), settings.features, (x, n) => learner.predict(x, n), { onProgress: (done) => clock.update(done) });
}
