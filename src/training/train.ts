/** `stethostream train`: from a folder of recordings to a model package, with its cross-validated results on its card. */
import { join } from 'node:path';
import { StageError } from '../common/stage-error.js';
import type { LoadedAudio, LoadedRecording } from './audio-cache.js';
import { divide, type Division } from './division.js';
import { exportModel, type ExportedModel } from './export-model.js';
import { finetuneFinal, finetuneFold, listen, pretrain, type HeartContext } from './heart-run.js';
import { requireEngine } from './learner.js';
import { loadListed } from './load-listed.js';
import { loadStates } from './load-states.js';
import { openDataset, type OpenedDataset } from './datasets/open-dataset.js';
import { precisionOf, precisionWarnings } from './engine/fast-math.js';
import { noteEnvironment } from './report/environment.js';
import { writeReport } from './report/write-report.js';
import { heartFiles, requireRoom, runBytes, weightBytes } from './require-room.js';
import { claimRun } from './run-identity.js';
import { collectResults, type TrainingResults } from './results.js';
import { RunLog, writeAtomically, type RunHooks } from './run-log.js';
import { networkOf } from './recipe.js';
import { loadStart } from './start-from.js';
import { withDefaults, type TrainOptions, type TrainSettings } from './train-options.js';

export type { TrainOptions };

export interface TrainResult {
  model: ExportedModel;
  results: TrainingResults;
  skipped: LoadedAudio['skipped'];
  runFolder: string;
  /** Paths of report.html and report.json. */
  report: { html: string; json: string };
}

/** Trains, cross-validates, exports. Throws StageErrors (stage `training`; docs/errors.md). */
export async function runTrain(options: TrainOptions, hooks: RunHooks = {}): Promise<TrainResult> {
  const settings = withDefaults(options);
  requireRoom(settings.run, runBytes(settings.spec, heartFiles(settings.recipe)), { option: '--run' });
  requireRoom(settings.output, weightBytes(settings.spec), { option: '--output', keep: false });
  const log = new RunLog({ folder: settings.run, ...hooks });
  const device = requireEngine(log);
  claimRun(settings.run, identity(settings), log);
  noteEnvironment(settings.run, settings.command, device);
  const start = await loadStart(settings.start, settings.spec);
  log.line(`start: ${start.text}`);
  for (const warning of precisionWarnings(settings.fastMath)) log.line(warning);
  const dataset = openDataset(settings.data);
  const states = loadStates(settings.data, [settings.recipe.pretrain, settings.recipe.finetune], log);
  const { recordings, skipped } = await load(dataset, settings, log);
  const division = divide(recordings, settings.recipe, settings.seed);
  describeDivision(division, settings, log);
  const context: HeartContext = {
    recipe: settings.recipe,
    params: settings.features,
    spec: networkOf(settings.spec, settings.recipe, settings.features, states.size > 0),
    seed: settings.seed,
    folder: settings.run,
    log,
    checkpointEverySteps: settings.checkpointEverySteps,
    states,
    start: start.state,
    fastMath: settings.fastMath,
  };
  const phases = { listen: await listen(context, division), pretrain: await pretrain(context, division), folds: [] as Awaited<ReturnType<typeof finetuneFold>>[] };
  for (let fold = 0; fold < settings.recipe.folds; fold++) phases.folds.push(await finetuneFold(context, division, fold));
  const final = await finetuneFinal(context, division);
  log.line('results: bootstrap intervals and floors');
  const figures = collectResults({ ...phases, final }, division, settings.recipe, settings.features, settings.seed);
  const results: TrainingResults = { ...figures, start: start.text, precision: precisionOf(settings.fastMath), phase: context.spec.phase ?? null };
  writeAtomically(join(settings.run, 'results.json'), JSON.stringify(results, null, 1));
  const model = await exportModel(context, settings, division, await loadOthers(dataset, settings, log), results);
  writeAtomically(join(settings.run, 'model.json'), JSON.stringify(model, null, 1));
  const report = await writeReport(settings.run);
  log.line(`report: ${report.html}`);
  log.line(`done: ${model.folder}`);
  return { model, results, skipped, runFolder: settings.run, report: { html: report.html, json: report.json } };
}

/** What decides the result. Options that a run of an earlier version did not know are named only where they are used, so that it can go on. */
function identity({ data, seed, recipe, features, spec, start, fastMath }: TrainSettings): Readonly<Record<string, unknown>> {
  return { data, seed, recipe, features, spec, ...(start === null ? {} : { start }), ...(fastMath ? { fastMath } : {}) };
}

async function load({ recordings, problems }: OpenedDataset, settings: TrainSettings, log: RunLog): Promise<{ recordings: LoadedRecording[]; skipped: LoadedAudio['skipped'] }> {
  const wanted = [...settings.recipe.pretrainDatasets, settings.recipe.targetDataset];
  for (const { file, message } of problems) log.line(`${file}: ${message}`);
  const { pseudoLabels, targetDataset } = settings.recipe;
  const listed = recordings.filter((r) => wanted.includes(r.dataset) && (r.set !== 0 || (pseudoLabels && r.dataset === targetDataset)));
  requireDatasets(listed.filter((r) => r.set !== 0).map((r) => r.dataset), wanted, settings.data);
  return loadListed(listed, settings.features, log);
}

/** What the folder holds beyond the recipe's data sets: judged by the finished model, never trained on. */
async function loadOthers({ recordings }: OpenedDataset, settings: TrainSettings, log: RunLog): Promise<LoadedRecording[]> {
  const used = [...settings.recipe.pretrainDatasets, settings.recipe.targetDataset];
  const listed = recordings.filter((r) => !used.includes(r.dataset) && r.set !== 0);
  if (listed.length === 0) return [];
  const what = 'recordings of other sources';
  try {
    return (await loadListed(listed, settings.features, log, what)).recordings;
  } catch (error) {
    // What was trained for an hour is worth its package without them.
    if (!(error instanceof StageError) || error.code !== 'TRAINING_NO_AUDIO') throw error;
    log.line(`${what}: ${error.message}; the package is judged without them`);
    return [];
  }
}

function requireDatasets(found: readonly string[], wanted: readonly string[], folder: string): void {
  const missing = wanted.filter((name) => !found.includes(name));
  if (missing.length === 0) return;
  throw new StageError({
    code: 'TRAINING_DATASET_MISSING',
    stage: 'training',
    message: `${folder} holds no labelled recording of ${missing.join(', ')}`,
    remedy: `The recipe heart needs the data sets ${wanted.join(', ')} (column dataset).`,
  });
}

function describeDivision(division: Division, settings: TrainSettings, log: RunLog): void {
  const names = (recordings: readonly LoadedRecording[]) => recordings.map((r) => r.file);
  writeAtomically(
    join(settings.run, 'division.json'),
    JSON.stringify({
      pretrain: names(division.pretrain),
      folds: division.folds.map((fold) => names(fold.validation)),
      test: names(division.test),
      calibration: names(division.calibration),
      artifactTest: names(division.artifactTest),
      unlabelled: names(division.unlabelled),
    }),
  );
  log.line(
    `division: pretrain ${division.pretrain.length}, target ${division.target.length} (and ${division.unlabelled.length} unlabelled) in ${division.folds.length} folds ` +
      `(${division.folds.map((fold) => fold.validation.length).join(', ')}), test ${division.test.length}, ` +
      `calibration ${division.calibration.length}, artifact test ${division.artifactTest.length}`,
  );
}
