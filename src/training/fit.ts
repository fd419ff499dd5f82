/** One stage of training: so many windows through the trainer, with checkpoints, so that a killed run goes on. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { nextTurn } from '../common/next-turn.js';
import { StageError } from '../common/stage-error.js';
import { secondsLeft, writeAtomically, type RunLog, type WorkOf } from './run-log.js';
import type { Batch } from './sampler.js';

/** What training needs of an engine: TensorFlow behind src/training/engine. */
export interface Learner {
  /** One optimiser step; gives the mean loss of the labels, and that of the frames where there is a frame head. */
  step(batch: Batch, settings: { learningRate: number; beta1: number }): Promise<StepLoss> | StepLoss;
  /** Writes everything that a later process needs to go on (weights, optimiser, averages) into a folder. */
  save(folder: string): Promise<void> | void;
  restore(folder: string): Promise<void> | void;
}

/** Mean loss of a step's batch, alone or with the frame head's (absent where no frame's state is known). */
export type StepLoss = number | { loss: number; frameLoss?: number | undefined };

/** Optimiser settings at each step. */
export type Schedule = (step: number) => { learningRate: number; beta1: number };

export interface StageOptions {
  /** For the log, e.g. `pretrain`. */
  name: string;
  /** Folder of this stage's checkpoints and curve. */
  folder: string;
  steps: number;
  batchSize: number;
  schedule: Schedule;
  /** Of the steps, for the time that is left; default: all take as long. */
  workOf?: WorkOf;
  /** The batch of each step: a function of the step alone. */
  batch: (step: number) => Batch | Promise<Batch>;
  checkpointEverySteps: number;
  log: RunLog;
  /** What an earlier call of this process returned, to go on from the learner as it is; absent: from the last checkpoint. */
  progress?: StageProgress;
}

/** A point of the learning curve. */
export interface CurvePoint {
  step: number;
  loss: number;
  learningRate: number;
}

/** Where a stage stands. */
export interface StageProgress {
  /** Steps done. */
  step: number;
  curve: CurvePoint[];
  seconds: number;
}

const stateFile = 'state.json';

/** Tells whoever watches of steps that an earlier process did. */
export function recallCurve(log: RunLog, phase: string, steps: number, batchSize: number, curve: readonly CurvePoint[]): void {
  log.recall({ phase, total: steps * batchSize, unit: 'windows', points: curve.map(({ step, loss, learningRate }) => ({ done: step * batchSize, loss, learningRate })) });
}

/** Runs the stage from its last checkpoint (or from the learner's present weights) to its end; returns its curve. */
export async function runStage(learner: Learner, options: StageOptions): Promise<StageProgress> {
  const { name, steps, batchSize, log, workOf } = options;
  mkdirSync(options.folder, { recursive: true });
  const state = options.progress ?? (await resume(learner, options));
  const clock = log.phase(name, steps * batchSize, 'windows', { from: state.step * batchSize, ...(workOf && { workOf: (windows) => workOf(windows / batchSize) }) });
  let startedAt = performance.now();
  let running = state.curve.at(-1)?.loss ?? NaN;
  let frames = NaN;
  for (let step = state.step; step < steps; step++) {
    const settings = options.schedule(step);
    const { loss, frameLoss = NaN } = asLosses(await learner.step(await options.batch(step), settings));
    if (!Number.isFinite(loss) || frameLoss === Infinity) throw diverged(name, step, settings.learningRate);
    running = follow(running, loss);
    frames = follow(frames, frameLoss);
    clock.update((step + 1) * batchSize, running, settings.learningRate);
    if ((step + 1) % 10 === 0 || step + 1 === steps) state.curve.push({ step: step + 1, loss: running, learningRate: settings.learningRate });
    if ((step + 1) % 20 === 0) logStep(options, step + 1, { loss: running, frameLoss: frames }, settings.learningRate, startedAt, state);
    if ((step + 1) % options.checkpointEverySteps === 0 || step + 1 === steps) {
      state.seconds += (performance.now() - startedAt) / 1000;
      startedAt = performance.now();
      state.step = step + 1;
      await checkpoint(learner, options.folder, state);
    }
    // Lets signals and timers in: the engine computes on this thread.
    await nextTurn();
  }
  return state;
}

function asLosses(loss: StepLoss): { loss: number; frameLoss?: number | undefined } {
  return typeof loss === 'number' ? { loss } : loss;
}

/** Running mean; a value that is none leaves it as it is. */
function follow(mean: number, value: number): number {
  if (Number.isNaN(value)) return mean;
  return Number.isNaN(mean) ? value : mean + 0.05 * (value - mean);
}

async function resume(learner: Learner, options: StageOptions): Promise<StageProgress> {
  const current = join(options.folder, 'checkpoint');
  const older = join(options.folder, 'checkpoint.old');
  const folder = [current, older].find((candidate) => existsSync(join(candidate, stateFile)));
  if (folder === undefined) return { step: 0, curve: [], seconds: 0 };
  const state = JSON.parse(readFileSync(join(folder, stateFile), 'utf8')) as StageProgress;
  await learner.restore(folder);
  options.log.line(`${options.name}: goes on from step ${state.step} of ${options.steps}`);
  recallCurve(options.log, options.name, options.steps, options.batchSize, state.curve);
  return state;
}

/** state.json is written last, and the old checkpoint goes only when the new one is in place. */
async function checkpoint(learner: Learner, folder: string, state: StageProgress): Promise<void> {
  const [next, current, older] = ['checkpoint.next', 'checkpoint', 'checkpoint.old'].map((name) => join(folder, name)) as [string, string, string];
  try {
    rmSync(next, { recursive: true, force: true });
    mkdirSync(next, { recursive: true });
    await learner.save(next);
    writeAtomically(join(next, stateFile), JSON.stringify(state));
    rmSync(older, { recursive: true, force: true });
    if (existsSync(current)) renameSync(current, older);
    renameSync(next, current);
    rmSync(older, { recursive: true, force: true });
  } catch (error) {
    throw new StageError({
      code: 'TRAINING_CHECKPOINT_FAILED',
      stage: 'training',
      message: `can't write the checkpoint of step ${state.step} to ${folder}: ${error instanceof Error ? error.message : String(error)}`,
      remedy: 'Free some space (a checkpoint takes about 400 MB) and start the same command again: it goes on from the last checkpoint.',
      cause: error,
    });
  }
}

/** Removes the checkpoint of a finished stage whose result is kept elsewhere. */
export function discardCheckpoint(folder: string): void {
  rmSync(join(folder, 'checkpoint'), { recursive: true, force: true });
}

function logStep(options: StageOptions, step: number, { loss, frameLoss }: { loss: number; frameLoss: number }, learningRate: number, startedAt: number, state: StageProgress): void {
  const seconds = (performance.now() - startedAt) / 1000;
  const pace = ((step - state.step) * options.batchSize) / seconds;
  const eta = secondsLeft({ from: state.step, done: step, total: options.steps }, seconds, options.workOf) / 60;
  options.log.line(
    `${options.name}: step ${step}/${options.steps} loss ${loss.toFixed(4)}${Number.isNaN(frameLoss) ? '' : ` frames ${frameLoss.toFixed(4)}`} lr ${learningRate.toExponential(1)} ${pace.toFixed(1)} windows/s, ${eta.toFixed(1)} min left`,
  );
}

function diverged(name: string, step: number, learningRate: number): StageError {
  return new StageError({
    code: 'TRAINING_DIVERGED',
    stage: 'training',
    message: `${name}: the loss is not a finite number at step ${step} (learning rate ${learningRate})`,
    remedy: 'Start again in a fresh run folder with a lower learning rate.',
  });
}
