import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { frameHead } from '../../../src/inference/frame-head.js';
import { BATCH_NORM_EPS, resnet34, type PhaseBranchSpec, type ResNetSpec } from '../../../src/inference/resnet34.js';
import type { StateDict } from '../../../src/inference/state-dict.js';
import { frameProbabilities } from '../../../src/training/engine/frame-loss.js';
import { Kernels, type Handle } from '../../../src/training/engine/kernels.js';
import { joinedLogits, meansByPhase, phasePass } from '../../../src/training/engine/phase-pass.js';
import { loadTensorFlow, tensorFlowStatus } from '../../../src/training/engine/tensorflow.js';
import { createTrainer, type Trainer, type TrainerOptions } from '../../../src/training/engine/trainer.js';
import { noiseBatch, random } from './batches.js';

const branch: PhaseBranchSpec = { height: 16, width: 27, phases: 5, members: 3, hidden: 4 };
const plain = resnet34(4, { stemWidth: 4, blocks: [1, 1, 1], widths: [4, 6, 8] });
const spec: ResNetSpec = { ...plain, phase: branch };
const n = 3;
const noise = (length: number, seed: number) => {
  const next = random(seed);
  return Float32Array.from({ length }, () => next() - 0.5);
};
const installed = tensorFlowStatus().installed;

describe('means by phase', () => {
  const head = frameHead(spec, branch.width, branch.phases);
  const frameLogits = noise(n * head.columns * head.framesPerColumn * branch.phases, 1).map((value) => 4 * value);
  const x = noise(n * branch.height * branch.width, 2);

  it('are means over time, each frame by the probability that it is in the phase', () => {
    const p = frameProbabilities(frameLogits, n, head);
    const means = meansByPhase(spec, branch, x, frameLogits, n);
    const [row, band, phase] = [2, 7, 3];
    let [sum, mass] = [0, 0];
    for (let t = 0; t < branch.width; t++) {
      const weight = p[(row * branch.width + t) * branch.phases + phase]!;
      sum += weight * x[(row * branch.height + band) * branch.width + t]!;
      mass += weight;
    }
    expect(means[(row * branch.height + band) * branch.phases + phase]).toBeCloseTo(sum / mass, 6);
  });

  it('of a constant are the constant, however sure the phases are', () => {
    const means = meansByPhase(spec, branch, new Float32Array(x.length).fill(0.7), frameLogits.map((value) => 30 * value), n);
    for (const mean of means) expect(mean).toBeCloseTo(0.7, 5);
  });
});

describe('joined logits', () => {
  it('are three parts of the trunk and one of the mean of the members', () => {
    expect([...joinedLogits(Float32Array.of(1, 2, 3, 4), Float32Array.of(3, 0, 5, 2, 0, 0, 2, 4), 2)]).toEqual([(3 * 1 + 4) / 4, (3 * 2 + 1) / 4, (3 * 3 + 1) / 4, (3 * 4 + 2) / 4]);
  });
});

describe.skipIf(!installed)('phase pass (skipped where TensorFlow is not installed)', () => {
  const inputs = branch.height * branch.phases;
  const units = branch.members * branch.hidden;
  const outputs = branch.members * spec.labels;
  const shapes: Record<string, number[]> = {
    'phase.hidden.weight': [inputs, units],
    'phase.hidden.bias': [units],
    'phase.out.weight': [branch.hidden, outputs],
    'phase.out.bias': [outputs],
  };
  const numbers = Object.fromEntries(Object.entries(shapes).map(([name, shape], i) => [name, noise(shape.reduce((a, b) => a * b), 10 + i)]));
  const means = noise(n * inputs, 20);
  let kernels: Kernels;
  beforeAll(() => {
    kernels = new Kernels(loadTensorFlow(), BATCH_NORM_EPS);
  });
  const passOf = (values: Record<string, Float32Array>, dropout?: () => number) => phasePass(kernels, spec, branch, (name): Handle => kernels.tensor(values[name]!, shapes[name]!), means.slice(), n, dropout);

  it('is a two-layer network for each member', () => {
    const { logits } = passOf(numbers);
    const [row, member, label] = [1, 2, 3];
    const w = numbers['phase.hidden.weight']!;
    let expected = numbers['phase.out.bias']![member * spec.labels + label]!;
    for (let h = 0; h < branch.hidden; h++) {
      const unit = member * branch.hidden + h;
      let sum = numbers['phase.hidden.bias']![unit]!;
      for (let i = 0; i < inputs; i++) sum += means[row * inputs + i]! * w[i * units + unit]!;
      expected += Math.max(0, sum) * numbers['phase.out.weight']![h * outputs + member * spec.labels + label]!;
    }
    expect(logits[(row * branch.members + member) * spec.labels + label]).toBeCloseTo(expected, 5);
  });

  it.each(Object.keys(shapes))('has the gradient of %s that finite differences show, with the same dropout', (name) => {
    const slope = noise(n * outputs, 30);
    const value = (values: Record<string, Float32Array>) => passOf(values, random(5)).logits.reduce((sum, logit, i) => sum + logit * slope[i]!, 0);
    const gradient = kernels.values(passOf(numbers, random(5)).backward(slope).get(name)!);
    const step = 2e-3;
    for (let i = 0; i < gradient.length; i += Math.ceil(gradient.length / 25)) {
      const moved = (by: number) => value({ ...numbers, [name]: numbers[name]!.map((x, j) => (j === i ? x + by : x)) });
      expect(gradient[i], `${name}[${i}]`).toBeCloseTo((moved(step) - moved(-step)) / (2 * step), 2);
    }
  });
});

describe.skipIf(!installed)('a trainer with a phase branch (skipped where TensorFlow is not installed)', () => {
  const open: Trainer[] = [];
  const trainer = (overrides: Partial<TrainerOptions> = {}) => {
    const made = createTrainer({ tf: loadTensorFlow(), spec, height: branch.height, width: branch.width, seed: 5, frameHead: { states: branch.phases, weight: 0.5 }, ...overrides });
    open.push(made);
    return made;
  };
  afterEach(() => {
    for (const made of open.splice(0)) made.dispose();
  });
  const rates = { learningRate: 3e-3, beta1: 0.9 };
  const inputs = branch.height * branch.phases;
  const branchBatch = (seed: number, weight = new Float32Array(8 * branch.members).fill(1)) => {
    const { setsA } = noiseBatch(seed, 8, branch.height, branch.width);
    return { means: noise(8 * inputs, seed), n: 8, sets: setsA, weight };
  };
  const changed = (a: StateDict, b: StateDict) => [...a.keys()].filter((name) => a.get(name)!.data.some((value, i) => value !== b.get(name)!.data[i]));

  it('learns the branch alone, step by step, and leaves all else as it is', () => {
    const one = trainer();
    const before = one.stateDict({ ema: false });
    const losses = Array.from({ length: 12 }, () => one.stepBranch(branchBatch(3), rates));
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.1);
    expect(changed(before, one.stateDict({ ema: false }))).toEqual(['phase.hidden.weight', 'phase.hidden.bias', 'phase.out.weight', 'phase.out.bias']);
    expect(changed(before, one.stateDict())).toEqual(['phase.hidden.weight', 'phase.hidden.bias', 'phase.out.weight', 'phase.out.bias']);
  });

  it('leaves the branch as it is while the trunk learns', () => {
    const one = trainer();
    const before = one.stateDict({ ema: false });
    const { x, n: count, setsA, setsB, lambda } = noiseBatch(1, 8, branch.height, branch.width);
    one.step({ x, n: count, setsA, setsB, lambda, frameTargets: new Float32Array(8 * branch.width * branch.phases).fill(1 / branch.phases) }, rates);
    const moved = changed(before, one.stateDict({ ema: false }));
    expect(moved).toContain('frames.weight');
    expect(moved.filter((name) => name.startsWith('phase.'))).toEqual([]);
  });

  it('lets each member learn from the rows that it gives weight, and none from those without', () => {
    const one = trainer({ weightDecay: 0 });
    const before = one.stateDict({ ema: false }).get('phase.out.bias')!.data;
    // The second member alone.
    one.stepBranch(branchBatch(3, Float32Array.from({ length: 8 * branch.members }, (_, i) => (i % branch.members === 1 ? 1 : 0))), rates);
    const after = one.stateDict({ ema: false }).get('phase.out.bias')!.data;
    const memberMoved = Array.from({ length: branch.members }, (_, m) => after.subarray(m * spec.labels, (m + 1) * spec.labels).some((value, i) => value !== before[m * spec.labels + i]));
    expect(memberMoved).toEqual([false, true, false]);
  });

  it('hears phases by the averaged weights, and predicts the weighed sum of trunk and members', () => {
    const one = trainer();
    const { x } = noiseBatch(2, 8, branch.height, branch.width);
    const means = one.means(x, 8);
    expect(means).toHaveLength(8 * inputs);
    const kernels = new Kernels(loadTensorFlow(), BATCH_NORM_EPS);
    const state = one.stateDict();
    const inner = (name: string) => {
      const { shape, data } = state.get(name)!;
      const [rows, columns] = [shape[0]!, shape[1] ?? 1];
      if (shape.length === 1) return kernels.tensor(data, shape);
      return kernels.tensor(Float32Array.from({ length: data.length }, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!), [columns, rows]);
    };
    const members = phasePass(kernels, spec, branch, inner, means, 8).logits;
    const trunk = trainer({ spec: plain });
    trunk.loadStateDict(state);
    [...joinedLogits(trunk.predict(x, 8), members, spec.labels)].forEach((logit, i) => expect(one.predict(x, 8)[i]).toBeCloseTo(logit, 5));
    kernels.dispose();
  });

  it('predicts the same from its state dict, in any batch, and after a restart; draws dropout from seed and step', () => {
    const folder = mkdtempSync(join(tmpdir(), 'phase-'));
    try {
      const first = trainer();
      for (let step = 0; step < 3; step++) first.stepBranch(branchBatch(step), rates);
      const { x } = noiseBatch(9, 8, branch.height, branch.width);
      const whole = first.predict(x, 8);
      const second = trainer({ seed: 6 });
      expect(second.loadStateDict(first.stateDict())).toMatchObject({ missing: [], mismatched: [], unused: [] });
      expect([...second.predict(x, 8)]).toEqual([...whole]);
      [...first.predict(x.subarray(0, x.length / 8), 1)].forEach((logit, i) => expect(logit).toBeCloseTo(whole[i]!, 4));
      first.save(folder);
      const third = trainer({ seed: 7 });
      third.restore(folder);
      expect([...third.predict(x, 8)]).toEqual([...whole]);
      const [a, b] = [trainer(), trainer()];
      expect([a.stepBranch(branchBatch(1), rates), a.stepBranch(branchBatch(2), rates)]).toEqual([b.stepBranch(branchBatch(1), rates), b.stepBranch(branchBatch(2), rates)]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('refuses what does not fit, and a network without a branch', () => {
    expect(() => trainer().stepBranch({ ...branchBatch(1), means: new Float32Array(3) }, rates)).toThrow(expect.objectContaining({ code: 'TRAINING_BATCH_INVALID' }));
    expect(() => trainer({ spec: plain }).means(new Float32Array(0), 0)).toThrow('no phase branch');
  });
});
