import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomStateDict } from '../../../src/inference/random-state.js';
import { BATCH_NORM_EPS, resnet34 } from '../../../src/inference/resnet34.js';
import { Kernels } from '../../../src/training/engine/kernels.js';
import { setLoss } from '../../../src/training/engine/loss.js';
import { Network, type ParameterSource } from '../../../src/training/engine/network.js';
import { loadTensorFlow, tensorFlowStatus } from '../../../src/training/engine/tensorflow.js';
import { createTrainer, type TrainerOptions, type TrainingBatch } from '../../../src/training/engine/trainer.js';
import { Layout, Weights } from '../../../src/training/engine/weights.js';
import { naiveForward } from '../../inference/naive-resnet.js';

const spec = resnet34(4, { stemWidth: 4, blocks: [1, 1], widths: [4, 8] });
const [height, width, n] = [16, 24, 8];
const random = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 4294967296;
};

function batch(seed: number): TrainingBatch {
  const next = random(seed);
  const x = new Float32Array(n * height * width).map(() => 2 * next() - 1);
  const sets = new Float32Array(n * 4);
  for (let i = 0; i < n; i++) sets[4 * i + (i % 4)] = 1;
  return { x, n, setsA: sets, setsB: sets, lambda: new Float32Array(n).fill(1) };
}

describe.skipIf(!tensorFlowStatus().installed)('Trainer (needs `npm run setup:tensorflow`)', () => {
  const make = (changes: Partial<TrainerOptions> = {}) =>
    createTrainer({ tf: loadTensorFlow(), spec, height, width, seed: 5, labelSmoothing: 0.05, weightDecay: 0.01, ...changes });
  const rates = { learningRate: 3e-3, beta1: 0.9 };

  it('predicts what a plain reading of the architecture predicts', () => {
    const trainer = make();
    const state = randomStateDict(spec, 3);
    expect(trainer.loadStateDict(state).missing).toEqual([]);
    const { x } = batch(1);
    const logits = trainer.predict(x, n);
    const size = height * width;
    for (let i = 0; i < 3; i++) {
      const expected = naiveForward(state, spec, x.slice(i * size, (i + 1) * size), height, width);
      expected.forEach((value, c) => expect(logits[4 * i + c]).toBeCloseTo(value, 4));
    }
  });

  it('has the gradient that finite differences show, for every kind of parameter', () => {
    const kernels = new Kernels(loadTensorFlow(), BATCH_NORM_EPS);
    const layout = new Layout(spec);
    const network = new Network(kernels, layout, spec);
    const weights = new Weights(layout);
    weights.load(randomStateDict(spec, 11));
    const data = batch(2);
    const gradients = new Float32Array(layout.trainableCount);
    const run = (values: Float32Array, backward: boolean) => {
      const source: ParameterSource = {
        read: (name) => {
          const { start, length, shape } = layout.slot(name);
          return kernels.tensor(values.slice(start, start + length), shape);
        },
        statistic: (name) => weights.of(name).slice(),
      };
      const pass = network.train(data.x, [n, height, width], source, { freezeConvolutions: false, bfloat16: false });
      const { loss, gradient } = setLoss(pass.logits, n, { ...data, smoothing: 0.05 });
      if (backward) for (const [name, handle] of pass.backward(gradient)) gradients.set(kernels.values(handle), layout.slot(name).start);
      kernels.sweep();
      return loss;
    };
    run(weights.values.slice(), true);
    const analytic = gradients.slice();
    for (const { spec: parameter, start, length } of layout.slots.values()) {
      if (!parameter.trainable) continue;
      // Along the gradient itself, the slope is its norm: one number that every element takes part in.
      const norm = Math.hypot(...analytic.subarray(start, start + length));
      const size = 2e-3;
      const moved = (sign: number) => {
        const values = weights.values.slice();
        for (let i = start; i < start + length; i++) values[i]! += (sign * size * analytic[i]!) / norm;
        return run(values, false);
      };
      expect((moved(1) - moved(-1)) / (2 * size) / norm, parameter.name).toBeCloseTo(1, 1);
    }
  });

  it('learns a batch by heart and leaks no tensor', () => {
    const trainer = make({ emaDecay: 0.9 });
    const data = batch(3);
    const first = trainer.step(data, rates).loss;
    const { tensors, variables } = trainer.memory();
    let last = first;
    for (let i = 0; i < 80; i++) last = trainer.step(data, rates).loss;
    expect(last).toBeLessThan(first / 2);
    const logits = trainer.predict(data.x, n, { ema: false });
    expect(logits).toHaveLength(4 * n);
    expect([tensors, trainer.memory().tensors, trainer.memory().variables]).toEqual([0, 0, variables]);
  });

  it('goes on from a checkpoint as if it had never stopped', () => {
    const folder = mkdtempSync(join(tmpdir(), 'stetho-trainer-'));
    const whole = make({ dropout: 0.3 });
    for (let i = 0; i < 6; i++) whole.step(batch(10 + i), rates);
    const first = make({ dropout: 0.3 });
    for (let i = 0; i < 3; i++) first.step(batch(10 + i), rates);
    first.save(folder);
    const second = make({ dropout: 0.3, seed: 5 });
    second.restore(folder);
    for (let i = 3; i < 6; i++) second.step(batch(10 + i), rates);
    const [a, b] = [whole.stateDict(), second.stateDict()];
    for (const [name, tensor] of a) {
      const other = b.get(name)!.data;
      const worst = tensor.data.reduce((max, value, i) => Math.max(max, Math.abs(value - other[i]!)), 0);
      expect(worst, name).toBeLessThan(1e-5);
    }
  });

  it('refuses a checkpoint of another architecture', () => {
    const folder = mkdtempSync(join(tmpdir(), 'stetho-trainer-'));
    make().save(folder);
    const other = make({ spec: resnet34(3, { stemWidth: 4, blocks: [1, 1], widths: [4, 8] }) });
    expect(() => other.restore(folder)).toThrow(/this network needs/);
  });

  it('keeps convolutions still while the body is frozen, and lets batch norm and head learn', () => {
    const trainer = make({ freezeBody: true });
    const before = trainer.stateDict({ ema: false });
    for (let i = 0; i < 3; i++) trainer.step(batch(20), rates);
    const after = trainer.stateDict({ ema: false });
    const changed = (name: string) => after.get(name)!.data.some((value, i) => value !== before.get(name)!.data[i]);
    expect(changed('layer1.0.conv1.weight')).toBe(false);
    expect(changed('layer1.0.bn1.weight')).toBe(true);
    expect(changed('fc.weight')).toBe(true);
  });

  it('takes what fits of a foreign state dict and says what does not', () => {
    const trainer = make();
    const state = randomStateDict(resnet34(7, { stemWidth: 4, blocks: [1, 1], widths: [4, 8] }), 1);
    state.delete('bn1.bias');
    const report = trainer.loadStateDict(state);
    expect(report.missing).toEqual(['bn1.bias']);
    expect(report.mismatched).toEqual(['fc.weight', 'fc.bias']);
    expect(report.loaded.length).toBeGreaterThan(10);
  });
});
