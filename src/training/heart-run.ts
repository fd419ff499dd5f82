/**
 * The phases of the recipe `heart`, each with its result on disk: pre-training, the fine-tunings of each fold, the
 * final ones. A phase whose result is there is not repeated, so that a killed run goes on where it was.
 *
 * Fine-tuning is done several times by different draws (folders `fold-1/member-1` …), and the members' weights are
 * averaged into one network, which is what judges the fold, or ships. Where the recipe asks for pseudo-labels a further
 * one comes first (`fold-1/teacher`) and labels unlabelled recordings for the members.
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
import { discardCheckpoint, recallCurve, type CurvePoint } from './fit.js';
import { frameAccuracy, type FrameFigures } from './frame-accuracy.js';
import { withoutHeadIfNone, type StatesByPath } from './load-states.js';
import { frameClassesOf, openLearner, type OpenLearner } from './learner.js';
import { countLabels, pseudoLabelled } from './pseudo-labels.js';
import { firstFrames, HALF_WINDOW_COST, halfWidth } from './half-windows.js';
import { listenStage } from './listen-stage.js';
import { FRAME_KINDS } from './masked-frames.js';
import { fitPhaseBranch } from './phase-fit.js';
import { clipLengths, spreadLengths, type HeartRecipe, type StageRecipe } from './recipe.js';
import { writeAtomically, type RunLog } from './run-log.js';
import type { Clip } from './sampler.js';
import { trainStage, type TrainStageOptions } from './train-stage.js';
import { averageWeights } from './weight-soup.js';

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
  /** Heart states by a recording's absolute path; empty: no frame head. */
  states: StatesByPath;
  /** Trunk that pre-training starts from; absent: random weights. */
  start?: StateDict | undefined;
  /** Convolutions in bfloat16 while training, where the processor has them. */
  fastMath: boolean;
}

/** What a phase leaves. */
export interface PhaseResult {
  curve: CurvePoint[];
  seconds: number;
  /** Logits of the clips that the phase was asked to judge, by its name for them. */
  logits: Record<string, ClipLogits[]>;
  /** Of the pre-trained frame head on the held-out recordings whose states are known. */
  framesAccuracy?: FrameFigures | null;
}

/** What several fine-tunings leave: the curve is the mean of theirs, the seconds their sum, the logits those of the averaged weights. */
export interface SoupResult extends PhaseResult {
  members: PhaseResult[];
  /** Unlabelled recordings that the members were trained on as well, by the label that they were given. */
  pseudoLabelled?: Record<string, number>;
}

/** A phase to run: `training` is drawn from, `judged` is predicted afterwards with the averaged weights. */
interface Phase {
  name: string;
  /** Seeds the draws. */
  number: number;
  recipe: StageRecipe;
  training: readonly LoadedRecording[];
  segmentLengths: readonly number[];
  start?: () => Promise<StateDict>;
  judged: Record<string, readonly LoadedRecording[]>;
  framesJudged?: readonly LoadedRecording[];
}

/** Self-supervised pre-training on the recordings of the supervised one, without their labels; undefined where the recipe asks for none. */
export async function listen(context: HeartContext, division: Division): Promise<PhaseResult | undefined> {
  const { listen: recipe } = context.recipe;
  if (!recipe) return undefined;
  const trunk = { ...context.spec };
  delete trunk.phase;
  const segmentLengths = spreadLengths(windowSpanSamples(context.params), context.params.mel.sampleRateHz);
  return runPhase({ ...context, spec: trunk }, { ...startOf(context), name: LISTEN, number: 900, recipe, training: division.pretrain, segmentLengths, judged: {} });
}

const LISTEN = 'listen';

/** The trunk of the self-supervised pre-training; its heads are of no use. */
async function listenedTrunk(context: HeartContext): Promise<StateDict> {
  const weights = await phaseWeights(context, LISTEN);
  return new Map([...weights].filter(([name]) => !/^(fc|frames)\./.test(name)));
}

function startOf({ start }: HeartContext): Pick<Phase, 'start'> {
  return start ? { start: () => Promise.resolve(start) } : {};
}

/** Pre-training; the held-out parts are judged before PASCAL B is ever seen. */
export async function pretrain(context: HeartContext, division: Division): Promise<PhaseResult> {
  return runPhase(context, {
    ...(context.recipe.listen ? { start: () => listenedTrunk(context) } : startOf(context)),
    name: 'pretrain',
    number: 0,
    recipe: context.recipe.pretrain,
    training: division.pretrain,
    segmentLengths: spreadLengths(windowSpanSamples(context.params), context.params.mel.sampleRateHz),
    judged: { test: division.test },
    framesJudged: division.test,
  });
}

/** Fine-tuning for one fold; judges the fold's validation clips and the held-out artifacts. */
export async function finetuneFold(context: HeartContext, division: Division, fold: number): Promise<SoupResult> {
  const { training, validation } = division.folds[fold] ?? { training: [], validation: [] };
  return runSoup(context, {
    name: `fold-${fold + 1}`,
    number: fold + 1,
    recipe: context.recipe.finetune,
    training: [...training, ...division.pretrain],
    segmentLengths: targetLengths(context, training),
    start: () => phaseWeights(context, 'pretrain'),
    judged: { validation, artifactTest: division.artifactTest },
  }, { memberJudged: { validation }, ...unlabelledFor(division, training, validation) });
}

/** The weights that ship: fine-tuned on every target clip, all PASCAL A, and the pre-training part of PhysioNet. */
export async function finetuneFinal(context: HeartContext, division: Division): Promise<SoupResult> {
  return runSoup(context, {
    name: 'final',
    number: 100,
    recipe: context.recipe.finetune,
    training: [...division.target, ...division.pretrain, ...division.artifactTest],
    segmentLengths: targetLengths(context, division.target),
    start: () => phaseWeights(context, 'pretrain'),
    judged: { test: division.test, calibration: division.calibration },
  }, { memberJudged: {}, ...unlabelledFor(division, division.target, []) });
}

/** What may be pseudo-labelled: no recording of a subject that is judged; and the labels that there are to give. */
function unlabelledFor({ unlabelled }: Division, training: readonly LoadedRecording[], judged: readonly LoadedRecording[]): Pick<SoupPlan, 'unlabelled' | 'labels'> {
  const subjects = new Set(judged.map(({ group }) => group));
  return { unlabelled: unlabelled.filter(({ group }) => !subjects.has(group)), labels: new Set(training.map(({ set }) => set)) };
}

/** Averaged weights of a finished phase. */
export async function phaseWeights(context: HeartContext, name: string): Promise<StateDict> {
  return (await readSafetensors(weightsFile(context, name))).tensors;
}

/** Where a finished phase left them. */
export function weightsFile({ folder }: Pick<HeartContext, 'folder'>, name: string): string {
  return join(folder, name, 'weights.safetensors');
}

function targetLengths(context: HeartContext, target: readonly LoadedRecording[]): number[] {
  return clipLengths(target.map((recording) => recording.pcm.length), windowSpanSamples(context.params));
}

/** Seeds of one member's draws lie far from those of every phase and other member. */
const MEMBER_STRIDE = 1_000_003;

/** How the members of a soup are made. */
interface SoupPlan {
  /** What each member judges by itself, beside what their average does. */
  memberJudged: Phase['judged'];
  /** Recordings that may be pseudo-labelled; none: no teacher. */
  unlabelled: readonly LoadedRecording[];
  /** Label sets that may be given. */
  labels: ReadonlySet<number>;
}

/** Draws of the teacher are no member's. */
const TEACHER_NUMBER = 500;

/** Recordings that a first fine-tuning is sure about, with their labels. */
async function teach(context: HeartContext, phase: Phase, { unlabelled, labels }: SoupPlan): Promise<{ taken: LoadedRecording[]; seconds: number }> {
  if (unlabelled.length === 0) return { taken: [], seconds: 0 };
  const { logits, seconds } = await runPhase(context, { ...phase, name: `${phase.name}/teacher`, number: phase.number + TEACHER_NUMBER, judged: { unlabelled } });
  const taken = pseudoLabelled(unlabelled, logits['unlabelled'] ?? [], labels, context.recipe.pseudoConfidence);
  const counts = Object.entries(countLabels(taken)).map(([label, count]) => `${count} ${label}`).join(', ');
  context.log.line(`${phase.name}: ${taken.length} of ${unlabelled.length} unlabelled recordings pseudo-labelled${counts === '' ? '' : ` (${counts})`}`);
  return { taken, seconds };
}

async function runSoup(context: HeartContext, plain: Phase, plan: SoupPlan): Promise<SoupResult> {
  const done = readResult<SoupResult>(context, plain);
  if (done) return done;
  const teacher = await teach(context, plain, plan);
  const phase = { ...plain, training: [...plain.training, ...teacher.taken] };
  const names = Array.from({ length: context.recipe.finetuneRuns }, (_, i) => `${phase.name}/member-${i + 1}`);
  const members: PhaseResult[] = [];
  for (const [i, name] of names.entries()) members.push(await runPhase(context, { ...phase, name, number: phase.number + i * MEMBER_STRIDE, judged: plan.memberJudged }));
  // Without a phase branch the frame head is neither judged nor shipped.
  const weights = averageWeights(await Promise.all(names.map((name) => phaseWeights(context, name))), context.spec.phase ? {} : { without: 'frames.' });
  context.log.line(`${phase.name}: weights averaged over ${names.length} fine-tunings`);
  const learner = openLearner(context.spec, context.params, { ...phase.recipe, frameHeadWeight: 0 }, context.seed, weights);
  try {
    const logits = await judge(context, phase, learner);
    await writeSafetensors(weightsFile(context, phase.name), weights);
    const seconds = members.reduce((sum, member) => sum + member.seconds, teacher.seconds);
    return keepResult(context, phase.name, { curve: meanCurve(members), seconds, logits, members, ...(plan.unlabelled.length > 0 ? { pseudoLabelled: countLabels(teacher.taken) } : {}) });
  } finally {
    learner.close();
  }
}

async function runPhase(context: HeartContext, phase: Phase): Promise<PhaseResult> {
  const done = readResult<PhaseResult>(context, phase);
  if (done) return done;
  const folder = join(context.folder, phase.name);
  mkdirSync(folder, { recursive: true });
  const listening = phase.name === LISTEN;
  const recipe = listening ? phase.recipe : withoutHeadIfNone(phase.recipe, context.states);
  const learner = openLearner(context.spec, context.params, recipe, context.seed, await phase.start?.(), { fastMath: context.fastMath, ...(listening ? { frameClasses: FRAME_KINDS } : {}) });
  try {
    const result = keepResult(context, phase.name, await trainAndJudge(context, { ...phase, recipe }, folder, learner));
    discardCheckpoint(folder);
    return result;
  } finally {
    learner.close();
  }
}

/** Of a phase that is done; told to whoever watches. */
function readResult<R extends PhaseResult>({ folder, log }: HeartContext, { name, recipe }: Phase): R | undefined {
  const file = join(folder, name, 'result.json');
  if (!existsSync(file)) return undefined;
  const done = JSON.parse(readFileSync(file, 'utf8')) as R;
  recallCurve(log, name, done.curve.at(-1)?.step ?? 0, recipe.batchSize, done.curve);
  return done;
}

function keepResult<R extends PhaseResult>({ folder }: HeartContext, name: string, result: R): R {
  writeAtomically(join(folder, name, 'result.json'), JSON.stringify(result));
  return result;
}

async function trainAndJudge(context: HeartContext, phase: Phase, folder: string, learner: OpenLearner): Promise<PhaseResult> {
  const { curve, seconds } = await fit(context, phase, learner);
  const branchSeconds = await fitBranch(context, phase, learner);
  const logits = await judge(context, phase, learner);
  const framesAccuracy = await judgeFrames(context, phase, learner);
  await writeSafetensors(join(folder, 'weights.safetensors'), await learner.weights());
  return { curve, seconds: seconds + branchSeconds, logits, ...(framesAccuracy === undefined ? {} : { framesAccuracy }) };
}

async function judge(context: HeartContext, phase: Phase, learner: OpenLearner): Promise<PhaseResult['logits']> {
  const logits: Record<string, ClipLogits[]> = {};
  for (const [name, recordings] of Object.entries(phase.judged)) {
    const clock = context.log.phase(`${phase.name}: judging ${name}`, recordings.length, 'clips');
    logits[name] = await clipLogits(recordings, context.params, (x, n) => learner.predict(x, n), { onProgress: (done) => clock.update(done) });
  }
  return logits;
}

/** Undefined where the phase has no frame head or is not asked. */
async function judgeFrames({ states, params, log }: HeartContext, { name, recipe, framesJudged }: Phase, learner: OpenLearner): Promise<FrameFigures | null | undefined> {
  if (!framesJudged || !recipe.frameHeadWeight) return undefined;
  const figures = await frameAccuracy(framesJudged, states, params, (x, n) => learner.predictFrames(x, n));
  if (figures) log.line(`${name}: framesAccuracy ${figures.value.toFixed(4)} over ${figures.frames} frames of ${figures.clips} held-out clips`);
  return figures;
}

/** Members have as many steps, so their points lie on one another. */
function meanCurve(members: readonly PhaseResult[]): CurvePoint[] {
  return (members[0]?.curve ?? []).map((point, i) => ({ ...point, loss: members.reduce((sum, { curve }) => sum + (curve[i]?.loss ?? NaN), 0) / members.length }));
}

function fit({ spec, params, seed, states, folder: run, log, checkpointEverySteps }: HeartContext, { name, number, recipe, training, segmentLengths }: Phase, learner: OpenLearner): ReturnType<typeof trainStage> {
  const listening = name === LISTEN;
  const stage = {
    name,
    folder: join(run, name),
    recipe,
    clips: training.map((recording) => toClip(recording, states)),
    params,
    sampling: { seed: seed * 1000 + number, frameClasses: !listening && recipe.frameHeadWeight ? frameClassesOf(spec) : null, segmentLengths },
    checkpointEverySteps,
    log,
  };
  return listening ? listenStage(learner, stage) : trainStage(learner, { ...stage, ...beginningHalf(spec, params, stage) });
}

/** Half windows for the first part of the stage, where the recipe asks for them. */
function beginningHalf(spec: ResNetSpec, { windowFrames }: FeatureParams, { name, recipe, log }: Pick<TrainStageOptions, 'name' | 'recipe' | 'log'>): Pick<TrainStageOptions, 'prepare' | 'workOf'> {
  const { halfWindows = 0, windows, batchSize } = recipe;
  const halfSteps = Math.round((halfWindows * windows) / batchSize);
  if (halfSteps === 0) return {};
  const width = halfWidth(spec, windowFrames);
  log.line(`${name}: ${width} of ${windowFrames} frames up to step ${halfSteps}`);
  return {
    prepare: (batch, step) => (step < halfSteps ? firstFrames(batch, windowFrames, width) : batch),
    workOf: (steps) => steps - (1 - HALF_WINDOW_COST) * Math.min(steps, halfSteps),
  };
}

/** Fits the phase branch to what the stage has trained; gives the seconds that it took. */
async function fitBranch({ spec, params, seed, states, log }: HeartContext, { name, number, recipe, training, segmentLengths }: Phase, learner: OpenLearner): Promise<number> {
  if (!spec.phase || !recipe.phaseFit) return 0;
  const started = performance.now();
  const clips = training.map((recording) => toClip(recording, states));
  const sampling = { seed: seed * 1000 + number, segmentLengths, ...recipe.sampling };
  await fitPhaseBranch(learner, { name, recipe: recipe.phaseFit, clips, params, spec, sampling, stretch: recipe.augmentation.stretch, log });
  return (performance.now() - started) / 1000;
}

/** Site is a device only in PhysioNet; in PASCAL B it is a place on the chest, no shortcut to balance against. */
function toClip(recording: LoadedRecording, states: HeartContext['states']): Clip {
  const { pcm, dataset, set, group, file, path } = recording;
  const own = states.get(path);
  return { pcm, dataset, set, group, name: file, site: dataset === 'physionet2016' ? recording.site : '', ...(own ? { states: own } : {}) };
}
