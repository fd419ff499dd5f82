import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { heartFeatures } from '../../src/features/index.js';
import { resnet34, type ResNetSpec } from '../../src/inference/resnet34.js';
import { windowSpanSamples } from '../../src/features/index.js';
import { tensorFlowStatus } from '../../src/training/engine/tensorflow.js';
import { LABELS, MURMUR, NORMAL } from '../../src/training/label-map.js';
import { openLearner, type OpenLearner } from '../../src/training/learner.js';
import { fitPhaseBranch } from '../../src/training/phase-fit.js';
import { Random } from '../../src/training/random.js';
import { HEART_RECIPE } from '../../src/training/recipe.js';
import { RunLog } from '../../src/training/run-log.js';
import type { Clip } from '../../src/training/sampler.js';

const folder = mkdtempSync(join(tmpdir(), 'phase-fit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { nMels: height } = heartFeatures.mel;
const spec: ResNetSpec = { ...resnet34(LABELS.length, { stemWidth: 4, blocks: [1, 1], widths: [4, 8] }), phase: { height, width: heartFeatures.windowFrames, phases: 8, members: 3, hidden: 8 } };
const span = windowSpanSamples(heartFeatures);
const members = spec.phase!.members;

/** Two knocks a second; murmurs have a hiss in the half between the first and the second. */
function clip(seed: number, set: number, group: string): Clip {
  const random = new Random(seed);
  const pcm = Float32Array.from({ length: 2 * span }, (_, i) => {
    const phase = (i % 1000) / 1000;
    const knock = phase < 0.06 || (phase > 0.4 && phase < 0.45) ? Math.sin(i * 0.2) : 0;
    return knock + random.normal() * (set === MURMUR && phase > 0.1 && phase < 0.35 ? 0.2 : 0.02);
  });
  return { pcm, dataset: 'pascal-b', site: '', set, group, name: `${seed}` };
}
const clips = Array.from({ length: 16 }, (_, i) => clip(i + 1, i % 2 === 0 ? NORMAL : MURMUR, `subject ${i >> 1}`));

interface Step {
  means: Float32Array;
  weight: Float32Array;
  loss: number;
}

/** Fits a fresh network; gives what each step was given. */
async function fitted(seed: number): Promise<{ steps: Step[]; learner: OpenLearner }> {
  const learner = openLearner(spec, heartFeatures, { ...HEART_RECIPE.pretrain, frameHeadWeight: 0 }, 1, undefined);
  const steps: Step[] = [];
  const spied = {
    means: learner.means,
    stepBranch: (batch: Parameters<OpenLearner['stepBranch']>[0], rates: Parameters<OpenLearner['stepBranch']>[1]) => {
      const loss = learner.stepBranch(batch, rates);
      steps.push({ means: batch.means, weight: batch.weight, loss });
      return loss;
    },
  };
  await fitPhaseBranch(spied, {
    name: 'test',
    recipe: { windows: 60, steps: 40, batchSize: 16, maxLearningRate: 1e-2 },
    clips,
    params: heartFeatures,
    spec,
    sampling: { seed, datasetShares: {}, siteExponent: 1, labelExponent: 1, syntheticArtifactShare: 0, segmentLengths: [span] },
    stretch: 0,
    log: new RunLog({ folder }),
  });
  return { steps, learner };
}

describe.skipIf(!tensorFlowStatus().installed)('fit of the phase branch (skipped where TensorFlow is not installed)', () => {
  let steps: Step[];
  let learner: OpenLearner;
  let turns = 0;

  beforeAll(async () => {
    const clock = setInterval(() => turns++, 0);
    ({ steps, learner } = await fitted(5));
    clearInterval(clock);
  });
  afterAll(() => learner.close());

  it('lets timers have their turn', () => {
    expect(turns).toBeGreaterThan(5);
  });

  it('learns what the means by phase tell', () => {
    const mean = (some: Step[]) => some.reduce((sum, { loss }) => sum + loss, 0) / some.length;
    expect(steps).toHaveLength(40);
    expect(mean(steps.slice(-5))).toBeLessThan(0.5 * mean(steps.slice(0, 3)));
  });

  it('gives every member weights of its own, the same for all windows of a subject, with a mean of one', () => {
    const seen = new Set<string>();
    for (const { weight } of steps) {
      for (let row = 0; row < weight.length / members; row++) {
        const own = [...weight.subarray(row * members, (row + 1) * members)];
        expect(own.every((value) => value >= 0 && Number.isFinite(value))).toBe(true);
        seen.add(own.join());
      }
    }
    // One combination per subject, however many windows it has.
    expect(seen.size).toBe(8);
    const all = [...seen].flatMap((key) => key.split(',').map(Number));
    expect(new Set(all).size).toBe(8 * members);
    expect(all.reduce((a, b) => a + b, 0) / all.length).toBeGreaterThan(0.4);
    expect(all.reduce((a, b) => a + b, 0) / all.length).toBeLessThan(2);
  });

  it('is the same for the same seed, and another for another', async () => {
    const [same, other] = [await fitted(5), await fitted(6)];
    expect(same.steps.map(({ loss }) => loss)).toEqual(steps.map(({ loss }) => loss));
    expect(other.steps[0]!.means).not.toEqual(steps[0]!.means);
    same.learner.close();
    other.learner.close();
  });
});
