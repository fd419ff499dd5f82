import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterEach, describe, expect, it } from 'vitest';
import { writeResNetOnnx } from '../../../src/inference/onnx-writer.js';
import { randomStateDict } from '../../../src/inference/random-state.js';
import { BATCH_NORM_EPS, resnet34 } from '../../../src/inference/resnet34.js';
import { fastMathSupported } from '../../../src/training/engine/fast-math.js';
import { Kernels } from '../../../src/training/engine/kernels.js';
import { setLoss } from '../../../src/training/engine/loss.js';
import { Network, type ParameterSource } from '../../../src/training/engine/network.js';
import { discriminativeRates } from '../../../src/training/engine/rates.js';
import { loadTensorFlow, tensorFlowStatus } from '../../../src/training/engine/tensorflow.js';
import { createTrainer, type Trainer, type TrainerOptions } from '../../../src/training/engine/trainer.js';
import { Layout, Weights } from '../../../src/training/engine/weights.js';
import { naiveForward } from '../../inference/naive-resnet.js';
import { noiseBatch } from './batches.js';

const spec = resnet34(4, { stemWidth: 4, blocks: [1, 1], widths: [4, 8] });
const [height, width, n] = [16, 24, 8];
const batch = (seed: number) => noiseBatch(seed, n, height, width);

describe.skipIf(!tensorFlowStatus().installed)('Trainer (needs `npm run setup:tensorflow`)', () => {
  const made: Trainer[] = [];
  const make = (changes: Partial<TrainerOptions> = {}) => {
    const trainer = createTrainer({ tf: loadTensorFlow(), spec, height, width, seed: 5, labelSmoothing: 0.05, weightDecay: 0.01, ...changes });
    made.push(trainer);
    return trainer;
  };
  const binding = () => (loadTensorFlow().backend() as unknown as { binding: { getNumOfTensors(): number } }).binding;
  const folders: string[] = [];
  const temporaryFolder = () => {
    const folder = mkdtempSync(join(tmpdir(), 'stetho-trainer-'));
    folders.push(folder);
    return folder;
  };
  afterEach(() => {
    made.splice(0).forEach((trainer) => trainer.dispose());
    folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true }));
  });
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
    const folder = temporaryFolder();
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
    const folder = temporaryFolder();
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

  it('predicts what the exported ONNX file predicts', async () => {
    const trainer = make();
    for (let i = 0; i < 5; i++) trainer.step(batch(30 + i), rates);
    const session = await ort.InferenceSession.create(Buffer.from(writeResNetOnnx(trainer.stateDict(), spec, { height, width, weights: 'fp32' })));
    const { x } = batch(40);
    const { logits } = await session.run({ input: new ort.Tensor('float32', x, [n, 1, height, width]) });
    const mine = trainer.predict(x, n);
    (logits!.data as Float32Array).forEach((value, i) => expect(mine[i]).toBeCloseTo(value, 3));
  });

  it('gives back the state dict that it was given, in torchvision’s layout', () => {
    const trainer = make();
    const state = randomStateDict(spec, 8);
    trainer.loadStateDict(state);
    const back = trainer.stateDict();
    for (const [name, { shape, data }] of state) {
      if (name.endsWith('num_batches_tracked')) continue;
      expect(back.get(name), name).toEqual({ shape, data });
    }
  });

  it('sums the colour channels of an ImageNet stem', () => {
    const trainer = make();
    const state = randomStateDict(resnet34(4, { inputChannels: 3, stemWidth: 4, blocks: [1, 1], widths: [4, 8] }), 2);
    expect(trainer.loadStateDict(state)).toMatchObject({ adapted: ['conv1.weight'], missing: [], mismatched: [], unused: [] });
    const three = state.get('conv1.weight')!.data;
    const one = trainer.stateDict().get('conv1.weight')!;
    expect(one.shape).toEqual([4, 1, 7, 7]);
    // Filter 1, tap 5.
    expect(one.data[49 + 5]).toBeCloseTo(three[147 + 5]! + three[147 + 49 + 5]! + three[147 + 98 + 5]!, 6);
  });

  it('takes Adam’s first step: the learning rate against the sign of the gradient', () => {
    const trainer = make({ labelSmoothing: 0 });
    const before = trainer.stateDict({ ema: false }).get('fc.bias')!.data;
    // All labels are class 2: its bias must rise, the others fall.
    const data = batch(50);
    const sets = new Float32Array(4 * n).map((_, i) => (i % 4 === 2 ? 1 : 0));
    trainer.step({ ...data, setsA: sets, setsB: sets }, { learningRate: 0.01, beta1: 0.9 });
    const moved = trainer.stateDict({ ema: false }).get('fc.bias')!.data.map((value, i) => value - before[i]!);
    [-0.01, -0.01, 0.01, -0.01].forEach((expected, c) => expect(moved[c]).toBeCloseTo(expected, 4));
  });

  it('decays convolutions alone, decoupled from the gradient', () => {
    const [plain, decayed] = [make({ weightDecay: 0 }), make({ weightDecay: 0.5 })];
    for (const trainer of [plain, decayed]) trainer.step(batch(51), { learningRate: 0.01, beta1: 0.9 });
    const initial = make().stateDict({ ema: false });
    const [a, b] = [plain.stateDict({ ema: false }), decayed.stateDict({ ema: false })];
    const gap = (name: string, i: number) => a.get(name)!.data[i]! - b.get(name)!.data[i]!;
    for (let i = 0; i < 20; i++) expect(gap('layer1.0.conv1.weight', i)).toBeCloseTo(0.01 * 0.5 * initial.get('layer1.0.conv1.weight')!.data[i]!, 6);
    for (let i = 0; i < 4; i++) expect(gap('layer1.0.bn1.bias', i)).toBe(0);
  });

  it('moves the average by its decay', () => {
    const trainer = make({ emaDecay: 0.05 });
    const initial = trainer.stateDict().get('fc.weight')!.data;
    trainer.step(batch(52), rates);
    const [present, average] = [trainer.stateDict({ ema: false }), trainer.stateDict()].map((state) => state.get('fc.weight')!.data) as [Float32Array, Float32Array];
    average.forEach((value, i) => expect(value).toBeCloseTo(0.05 * initial[i]! + 0.95 * present[i]!, 6));
  });

  it('keeps a group at its own rate', () => {
    const trainer = make({ rateOf: discriminativeRates(0.01) });
    const before = trainer.stateDict({ ema: false });
    trainer.step(batch(53), { learningRate: 0.01, beta1: 0.9 });
    const after = trainer.stateDict({ ema: false });
    const moved = (name: string) => Math.abs(after.get(name)!.data[0]! - before.get(name)!.data[0]!);
    expect(moved('fc.bias')).toBeCloseTo(0.01, 3);
    expect(moved('bn1.bias')).toBeLessThan(1.1e-4);
  });

  it('clips the joint norm of the gradients', () => {
    // So small a limit drowns in Adam's epsilon: nothing but a trace of movement is left.
    const trainer = make({ clipNorm: 1e-9, weightDecay: 0 });
    const before = trainer.stateDict({ ema: false }).get('fc.bias')!.data;
    trainer.step(batch(54), { learningRate: 0.01, beta1: 0.9 });
    trainer.stateDict({ ema: false }).get('fc.bias')!.data.forEach((value, i) => expect(Math.abs(value - before[i]!)).toBeLessThan(1e-4));
  });

  it.skipIf(!fastMathSupported())('computes nearly the same in bfloat16 (skipped: this processor has no instructions for it)', () => {
    const [exact, fast] = [make(), make({ fastMath: true })];
    expect([exact.precision, fast.precision]).toEqual(['float32', 'bfloat16']);
    const data = batch(60);
    const losses = (trainer: Trainer) => Array.from({ length: 30 }, () => trainer.step(data, rates).loss);
    const [a, b] = [losses(exact), losses(fast)];
    a.forEach((loss, i) => expect(Math.abs(loss - b[i]!)).toBeLessThan(0.05 + 0.1 * loss));
    expect(a).not.toEqual(b);
  });

  it('says what does not fit into memory, before and after TensorFlow finds out, and goes on', () => {
    const trainer = make();
    expect(() => trainer.requireMemory(1e9)).toThrow(expect.objectContaining({ code: 'TRAINING_OUT_OF_MEMORY', remedy: expect.stringContaining('--batch') as string }) as Error);
    const kernels = new Kernels(loadTensorFlow(), BATCH_NORM_EPS);
    const pixel = kernels.tensor(new Float32Array(1), [1, 1, 1, 1]);
    expect(() => kernels.pad(pixel, 1_000_000)).toThrow(expect.objectContaining({ code: 'TRAINING_OUT_OF_MEMORY' }) as Error);
    kernels.dispose();
    expect(trainer.step(batch(61), rates).loss).toBeGreaterThan(0);
  });

  it('refuses a batch of another size by name', () => {
    const trainer = make();
    expect(() => trainer.step({ ...batch(62), lambda: new Float32Array(n - 1) }, rates)).toThrow(/lambda holds 7 values, 8 are needed/);
    expect(() => trainer.predict(new Float32Array(5), 1)).toThrow(/x holds 5 values/);
  });

  it('predicts a window the same whatever comes with it', () => {
    const trainer = make();
    trainer.loadStateDict(randomStateDict(spec, 4));
    const windows = Array.from({ length: 5 }, (_, i) => batch(70 + i).x);
    const all = Float32Array.from(windows.flatMap((x) => [...x]));
    const together = trainer.predict(all, 5 * n);
    const last = trainer.predict(windows[4]!.slice(0, height * width), 1);
    last.forEach((value, c) => expect(together[4 * 4 * n + c]).toBeCloseTo(value, 5));
  });

  it('gives all of TensorFlow’s memory back', () => {
    const before = binding().getNumOfTensors();
    const trainer = make();
    trainer.step(batch(63), rates);
    trainer.predict(batch(63).x, n);
    trainer.dispose();
    made.pop();
    expect(binding().getNumOfTensors()).toBe(before);
  });

  it('has a whole checkpoint at any time, also when the next one breaks off', () => {
    const folder = temporaryFolder();
    const trainer = make();
    trainer.step(batch(64), rates);
    trainer.save(folder);
    const saved = trainer.stateDict({ ema: false });
    // What a kill in the middle of the next save leaves: a second file of numbers, cut short, and the old description.
    writeFileSync(join(folder, 'trainer-2-1-1.bin'), new Uint8Array(100));
    const second = make();
    second.restore(folder);
    expect(second.stateDict({ ema: false })).toEqual(saved);
    second.step(batch(65), rates);
    second.save(folder);
    expect(readdirSync(folder).sort()).toHaveLength(2);
    writeFileSync(join(folder, 'trainer.json'), readFileSync(join(folder, 'trainer.json'), 'utf8').slice(0, 20));
    expect(() => second.restore(folder)).toThrow(expect.objectContaining({ code: 'TRAINING_CHECKPOINT_INVALID' }) as Error);
  });
});
