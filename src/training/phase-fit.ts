/**
 * Fits the phase branch (src/inference/phase-branch.ts) to a trunk that has been trained: windows are drawn as the trunk's
 * were, but as they are recorded; each is heard once, by the trunk's frame head; and the small networks learn from the means.
 *
 * Each member weighs the groups (subjects) in its own way, by draws from Exp(1): the Bayesian bootstrap (Rubin 1981), so
 * that the members differ as if each had been given other subjects.
 */
import { nextTurn } from '../common/next-turn.js';
import type { FeatureParams } from '../features/index.js';
import type { ResNetSpec } from '../inference/resnet34.js';
import { NO_AUGMENTATION } from './augment.js';
import { oneCycle } from './engine/schedule.js';
import type { OpenLearner } from './learner.js';
import { Random } from './random.js';
import type { PhaseFitRecipe } from './recipe.js';
import type { RunLog } from './run-log.js';
import { createSampler, type Clip, type SamplerSettings } from './sampler.js';
import type { LabelSet } from './label-map.js';

export interface PhaseFitOptions {
  /** For the log. */
  name: string;
  recipe: PhaseFitRecipe;
  clips: readonly Clip[];
  params: FeatureParams;
  spec: ResNetSpec;
  sampling: Omit<SamplerSettings, 'batchSize' | 'augmentation' | 'frameClasses'>;
  /** Largest relative change of tempo, as the trunk heard it; other changes blur what a phase holds. */
  stretch: number;
  log: RunLog;
}

/** Windows that go through the trunk at once. */
const HEARD_AT_ONCE = 256;

interface HeardWindows {
  /** count × height·phases. */
  means: Float32Array;
  sets: LabelSet[];
  groups: string[];
}

/** Fits in a minute or so, without checkpoints; the same for the same seed and trunk. */
export async function fitPhaseBranch(learner: Pick<OpenLearner, 'means' | 'stepBranch'>, options: PhaseFitOptions): Promise<void> {
  const { name, recipe, spec, sampling, log } = options;
  if (!spec.phase) return;
  const { members, height, phases } = spec.phase;
  const heard = await hear(learner, options);
  const weights = groupWeights(heard.groups, members, sampling.seed);
  const random = new Random(sampling.seed, 4711);
  const { steps, batchSize: n, maxLearningRate } = recipe;
  const schedule = oneCycle({ steps, maxLearningRate });
  const clock = log.phase(`${name}: phase branch`, steps, 'steps');
  let running = NaN;
  for (let step = 0; step < steps; step++) {
    const rows = Array.from({ length: n }, () => random.integer(heard.sets.length));
    const means = gathered(heard.means, height * phases, rows);
    const sets = Float32Array.from({ length: n * spec.labels }, (_, i) => ((heard.sets[rows[Math.floor(i / spec.labels)]!] ?? 0) >> i % spec.labels) & 1);
    const loss = learner.stepBranch({ means, n, sets, weight: gathered(weights, members, rows) }, schedule(step));
    running = Number.isNaN(running) ? loss : running + 0.02 * (loss - running);
    clock.update(step + 1, running);
    await nextTurn();
  }
  log.line(`${name}: phase branch fitted to ${heard.sets.length} windows of ${new Set(heard.groups).size} groups, loss ${running.toFixed(4)}`);
}

/** Draws the windows and hears them by phase. */
async function hear(learner: Pick<OpenLearner, 'means'>, { name, recipe, clips, params, spec, sampling, stretch, log }: PhaseFitOptions): Promise<HeardWindows> {
  const sampler = createSampler(clips, params, { ...sampling, batchSize: 1, augmentation: { ...NO_AUGMENTATION, stretch }, frameClasses: null });
  const random = new Random(sampling.seed, 4712);
  const { height = 0, width = 0, phases = 0 } = spec.phase ?? {};
  const heard: HeardWindows = { means: new Float32Array(recipe.windows * height * phases), sets: [], groups: [] };
  const clock = log.phase(`${name}: hearing phases`, recipe.windows, 'windows');
  for (let from = 0; from < recipe.windows; from += HEARD_AT_ONCE) {
    const count = Math.min(HEARD_AT_ONCE, recipe.windows - from);
    const x = new Float32Array(count * height * width);
    for (let i = 0; i < count; i++) {
      const { input, set, group } = sampler.draw(random);
      x.set(input, i * input.length);
      heard.sets.push(set);
      // A synthesised sound is a group of its own.
      heard.groups.push(group ?? `synthesised ${from + i}`);
    }
    heard.means.set(learner.means(x, count), from * height * phases);
    clock.update(from + count);
    await nextTurn();
  }
  return heard;
}

/** windows × members; equal within a group. */
function groupWeights(groups: readonly string[], members: number, seed: number): Float32Array {
  const random = new Random(seed, 4713);
  const byGroup = new Map<string, Float32Array>();
  const weights = new Float32Array(groups.length * members);
  groups.forEach((group, i) => {
    let own = byGroup.get(group);
    if (!own) byGroup.set(group, (own = Float32Array.from({ length: members }, () => -Math.log(1 - random.next()))));
    weights.set(own, i * members);
  });
  return weights;
}

function gathered(values: Float32Array, size: number, rows: readonly number[]): Float32Array {
  const some = new Float32Array(rows.length * size);
  rows.forEach((row, i) => some.set(values.subarray(row * size, (row + 1) * size), i * size));
  return some;
}
