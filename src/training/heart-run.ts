/**
 * The phases of the recipe `heart`, each with its result on disk: pre-training, one fine-tuning per fold, the final
 * fine-tuning. A phase whose result is there is not repeated, so that a killed run goes on where it was.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { windowSpanSamples, type FeatureParams } from '../features/index.js';
import type { ResNetSpec } from '../inference/resnet34.js';
import { readSafetensors, writeSafetensors } from '../inference/safetensors.js';
import type { StateDict } from '../inference/state-dict.js';
import type { LoadedRecording } from './audio-cache.js';
import { clipLogits, type ClipLogits } from './clip-logits.js';
import type { Division } from './division.js';
import { discardCheckpoint, runStage, type CurvePoint } from './fit.js';
import { openLearner, type OpenLearner } from './learner.js';
import { clipLengths, spreadLengths, type HeartRecipe, type StageRecipe } from './recipe.js';
import { writeAtomically, type RunLog } from './run-log.js';
import { WindowSampler, type Clip } from './sampler.js';
import { windowFeaturiser } from './window-featuriser.js';
import { oneCycle } from './engine/schedule.js';

/** What every phase needs. */
export interface HeartContext {
  recipe: HeartRecipe;
  params: FeatureParams;
  spec: ResNetSpec;
  seed: number;
  /** Run folder. */
  folder: string;
  log: RunLog;
  checkpointEverySteps: number;
}

/** What a phase leaves. */
export interface PhaseResult {
  curve: CurvePoint[];
  seconds: number;
  /** Logits of the clips that the phase was asked to judge, by its name for them. */
  logits: Record<string, ClipLogits[]>;
}

/** A phase to run: `training` is drawn from, `judged` is predicted afterwards with the averaged weights. */
interface Phase {
  name: string;
  number: number;
  recipe: StageRecipe;
  training: readonly LoadedRecording[];
  segmentLengths: readonly number[];
  start: StateDict | undefined;
  judged: Record<string, readonly LoadedRecording[]>;
}

/** Pre-training, from random weights; the held-out parts are judged before PASCAL B is ever seen. */
export async function pretrain(context: HeartContext, division: Division): Promise<PhaseResult> {
  return runPhase(context, {
    name: 'pretrain',
    number: 0,
    recipe: context.recipe.pretrain,
    training: division.pretrain,
    segmentLengths: spreadLengths(windowSpanSamples(context.params), context.params.mel.sampleRateHz),
    start: undefined,
    judged: { test: division.test },
  });
}

/** Fine-tuning for one fold; judges the fold's validation clips and the held-out artifacts. */
export async function finetuneFold(context: HeartContext, division: Division, fold: number): Promise<PhaseResult> {
  const { training, validation } = division.folds[fold] ?? { training: [], validation: [] };
  return runPhase(context, {
    name: `fold-${fold + 1}`,
    number: fold + 1,
    recipe: context.recipe.finetune,
    training: [...training, ...division.pretrain],
    segmentLengths: targetLengths(context, training),
    start: await phaseWeights(context, 'pretrain'),
    judged: { validation, artifactTest: division.artifactTest },
  });
}

/** The weights that ship: fine-tuned on every target clip, all PASCAL A, and the pre-training part of PhysioNet. */
export async function finetuneFinal(context: HeartContext, division: Division): Promise<PhaseResult> {
  return runPhase(context, {
    name: 'final',
    number: 100,
    recipe: context.recipe.finetune,
    training: [...division.target, ...division.pretrain, ...division.artifactTest],
    segmentLengths: targetLengths(context, division.target),
    start: await phaseWeights(context, 'pretrain'),
    judged: { test: division.test, calibration: division.calibration },
  });
}

/** Averaged weights of a finished phase. */
export async function phaseWeights(context: HeartContext, name: string): Promise<StateDict> {
  return (await readSafetensors(join(context.folder, name, 'weights.safetensors'))).tensors;
}

function targetLengths(context: HeartContext, target: readonly LoadedRecording[]): number[] {
  return clipLengths(target.map((recording) => recording.pcm.length), windowSpanSamples(context.params));
}

async function runPhase(context: HeartContext, phase: Phase): Promise<PhaseResult> {
  const folder = join(context.folder, phase.name);
  const resultFile = join(folder, 'result.json');
  if (existsSync(resultFile)) return JSON.parse(readFileSync(resultFile, 'utf8')) as PhaseResult;
  mkdirSync(folder, { recursive: true });
  const learner = openLearner(context.spec, context.params, phase.recipe, context.seed, phase.start);
  try {
    const result = await trainAndJudge(context, phase, folder, learner);
    writeAtomically(resultFile, JSON.stringify(result));
    discardCheckpoint(folder);
    return result;
  } finally {
    learner.close();
  }
}

async function trainAndJudge(context: HeartContext, phase: Phase, folder: string, learner: OpenLearner): Promise<PhaseResult> {
  const { curve, seconds } = await fit(context, phase, folder, learner);
  const logits: Record<string, ClipLogits[]> = {};
  for (const [name, recordings] of Object.entries(phase.judged)) {
    const clock = context.log.phase(`${phase.name}: judging ${name}`, recordings.length, 'clips');
    logits[name] = await clipLogits(recordings, context.params, (x, n) => learner.predict(x, n), { onProgress: (done) => clock.update(done) });
  }
  await writeSafetensors(join(folder, 'weights.safetensors'), await learner.weights());
  return { curve, seconds, logits };
}

async function fit(context: HeartContext, phase: Phase, folder: string, learner: OpenLearner): Promise<{ curve: CurvePoint[]; seconds: number }> {
  const { recipe } = phase;
  const sampler = makeSampler(context, phase);
  const steps = Math.max(1, Math.round(recipe.windows / recipe.batchSize));
  context.log.line(`${phase.name}: ${phase.training.length} clips, ${steps} steps of ${recipe.batchSize} windows`);
  for (const { name, clips, share } of sampler.shares) context.log.line(`  ${(share * 100).toFixed(1).padStart(5)} %  ${String(clips).padStart(4)} clips  ${name}`);
  return runStage(learner, {
    name: phase.name,
    folder,
    steps,
    batchSize: recipe.batchSize,
    schedule: oneCycle({ steps, maxLearningRate: recipe.maxLearningRate }),
    batch: (step) => sampler.batch(step),
    checkpointEverySteps: context.checkpointEverySteps,
    log: context.log,
  });
}

function makeSampler(context: HeartContext, phase: Phase): WindowSampler {
  const { params } = context;
  return new WindowSampler(phase.training.map(toClip), {
    seed: context.seed * 1000 + phase.number,
    batchSize: phase.recipe.batchSize,
    sampleRateHz: params.mel.sampleRateHz,
    nMels: params.mel.nMels,
    windowFrames: params.windowFrames,
    spanSamples: windowSpanSamples(params),
    featurise: windowFeaturiser(params),
    augmentation: phase.recipe.augmentation,
    ...phase.recipe.sampling,
    segmentLengths: phase.segmentLengths,
  });
}

/** Site is a device only in PhysioNet; in PASCAL B it is a place on the chest, no shortcut to balance against. */
function toClip(recording: LoadedRecording): Clip {
  const { pcm, dataset, set, group, file } = recording;
  return { pcm, dataset, set, group, name: file, site: dataset === 'physionet2016' ? recording.site : '' };
}
