import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { randomStateDict } from '../../../src/inference/random-state.js';
import { BATCH_NORM_EPS, resnet34 } from '../../../src/inference/resnet34.js';
import { fastMathSupported } from '../../../src/training/engine/fast-math.js';
import { frameHead } from '../../../src/inference/frame-head.js';
import { frameLoss, frameProbabilities } from '../../../src/training/engine/frame-loss.js';
import { Kernels } from '../../../src/training/engine/kernels.js';
import { setLoss } from '../../../src/training/engine/loss.js';
import { Network, type ParameterSource } from '../../../src/training/engine/network.js';
import { discriminativeRates } from '../../../src/training/engine/rates.js';
import { loadTensorFlow, tensorFlowStatus } from '../../../src/training/engine/tensorflow.js';
import { createTrainer, type Trainer, type TrainerOptions, type TrainingBatch } from '../../../src/training/engine/trainer.js';
import { initialise, Layout, Weights } from '../../../src/training/engine/weights.js';
import { noiseBatch, random } from './batches.js';

const spec = resnet34(4, { stemWidth: 4, blocks: [1, 1, 1], widths: [4, 6, 8] });
// 27 frames give 4 columns of 7: one output too many, so the offset (1, not 3) is put to use.
const [height, width, n, states] = [16, 27, 8, 3];
const batch = (seed: number) => noiseBatch(seed, n, height, width);

/** A third of the frames unknown, a third of one state, a third mixed and short of one. */
function someTargets(seed: number): Float32Array {
  const next = random(seed);
  const targets = new Float32Array(n * width * states);
  for (let frame = 0; frame < n * width; frame++) {
    const state = Math.floor(next() * states);
    if (frame % 3 === 0) continue;
    targets[frame * states + state] = frame % 3 === 1 ? 1 : 0.5;
    if (frame % 3 === 2) targets[frame * states + ((state + 1) % states)] = 0.2;
  }
  return targets;
}

describe('frameHead', () => {
  it('reads layer3 of a ResNet-34 in 12 columns of 16 frames, and leaves no frame of 188 out', () => {
    expect(frameHead(resnet34(4), 188, 4)).toEqual({ states: 4, width: 188, after: 'layer3.5', channels: 256, columns: 12, framesPerColumn: 16, offset: 4 });
    // Room on both sides: centred.
    expect(frameHead(resnet34(4), 180, 4)).toMatchObject({ columns: 12, framesPerColumn: 15, offset: 0 });
    expect(frameHead(resnet34(4), 177, 4)).toMatchObject({ columns: 12, framesPerColumn: 15, offset: 3 });
    expect(frameHead(spec, width, states)).toMatchObject({ after: 'layer2.0', channels: 6, columns: 4, framesPerColumn: 7, offset: 1 });
  });

  it('gives every frame an output of its own, whatever the width', () => {
    for (let frames = 1; frames <= 200; frames++) {
      const head = frameHead(resnet34(4), frames, 2);
      expect(head.offset, `${frames} frames`).toBeGreaterThanOrEqual(0);
      expect(head.columns * head.framesPerColumn - head.offset, `${frames} frames`).toBeGreaterThanOrEqual(frames);
    }
  });

  it('refuses what is no choice of states', () => {
    expect(() => frameHead(spec, width, 1)).toThrow(/frame head of 1 states/);
  });
});

describe('frameLoss', () => {
  const head = { ...frameHead(spec, width, states), width: 3, columns: 2, framesPerColumn: 2, offset: 1 };
  const logits = () => Float32Array.from({ length: 2 * 4 * states }, (_, i) => Math.sin(3 * i));

  it('is the mean cross-entropy of the known frames, each by its weight', () => {
    const targets = new Float32Array(2 * 3 * states);
    targets[0] = 1; // window 0, frame 0, state 0
    targets[(3 + 2) * states + 1] = 0.25; // window 1, frame 2, state 1
    const p = frameProbabilities(logits(), 2, head);
    const found = frameLoss(logits(), 2, head, targets)!;
    expect(found.loss).toBeCloseTo((-Math.log(p[0]!) - 0.25 * Math.log(p[(3 + 2) * states + 1]!)) / 1.25, 6);
    // Outputs 1 of window 0 and 3 of window 1 (offset 1), and nothing else.
    const touched = [...found.gradient.keys()].filter((i) => found.gradient[i] !== 0).map((i) => Math.floor(i / states));
    expect([...new Set(touched)]).toEqual([1, 4 + 3]);
  });

  it('has the gradient that finite differences show', () => {
    const targets = Float32Array.from({ length: 2 * 3 * states }, (_, i) => (i % 6 < 3 ? 0 : (i % 4) / 4));
    const { gradient } = frameLoss(logits(), 2, head, targets)!;
    gradient.forEach((slope, i) => {
      const moved = (by: number) => frameLoss(logits().map((value, j) => (j === i ? value + by : value)), 2, head, targets)!.loss;
      expect(slope).toBeCloseTo((moved(0.01) - moved(-0.01)) / 0.02, 4);
    });
  });

  it('is none where all is unknown', () => {
    expect(frameLoss(logits(), 2, head, new Float32Array(2 * 3 * states))).toBeNull();
  });
});

describe('initialise', () => {
  it('draws the network the same whether or not a frame head comes behind it', () => {
    const [plain, headed] = [new Weights(new Layout(spec)), new Weights(new Layout(spec, frameHead(spec, width, states)))];
    for (const weights of [plain, headed]) initialise(weights, random(7));
    expect(headed.toStateDict()).toEqual(plain.toStateDict());
    expect(headed.of('frames.weight').some((value) => value !== 0)).toBe(true);
    expect(Math.max(...headed.of('frames.bias').map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(6));
  });
});

describe('discriminativeRates', () => {
  it('gives the frame head the head’s rate', () => {
    expect(['frames.weight', 'frames.bias', 'fc.weight', 'layer4.0.conv1.weight'].map(discriminativeRates(0.01))).toEqual([1, 1, 1, 0.1]);
  });
});

describe.skipIf(!tensorFlowStatus().installed)('Trainer with a frame head (needs `npm run setup:tensorflow`)', () => {
  const made: Trainer[] = [];
  const make = (changes: Partial<TrainerOptions> = {}) => {
    const trainer = createTrainer({ tf: loadTensorFlow(), spec, height, width, seed: 5, labelSmoothing: 0.05, frameHead: { states, weight: 0.5 }, ...changes });
    made.push(trainer);
    return trainer;
  };
  const plain = (changes: Partial<TrainerOptions> = {}) => {
    const trainer = createTrainer({ tf: loadTensorFlow(), spec, height, width, seed: 5, labelSmoothing: 0.05, ...changes });
    made.push(trainer);
    return trainer;
  };
  const folders: string[] = [];
  afterEach(() => {
    made.splice(0).forEach((trainer) => trainer.dispose());
    folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true }));
  });
  const rates = { learningRate: 3e-3, beta1: 0.9 };

  /** Slope along the analytic gradient over the gradient's norm (1 if right) by parameter; 0 for those without. */
  function slopes(labelShare: number, frameShare: number): Map<string, number> {
    const kernels = new Kernels(loadTensorFlow(), BATCH_NORM_EPS);
    const head = frameHead(spec, width, states);
    const layout = new Layout(spec, head);
    const network = new Network(kernels, layout, spec);
    const weights = new Weights(layout);
    initialise(weights, random(3));
    weights.load(randomStateDict(spec, 11));
    const data = batch(2);
    const targets = someTargets(3);
    const gradients = new Float32Array(layout.trainableCount);
    const scaled = (values: Float32Array, by: number) => values.map((value) => by * value);
    const run = (values: Float32Array, backward: boolean) => {
      const source: ParameterSource = {
        read: (name) => {
          const { start, length, shape } = layout.slot(name);
          return kernels.tensor(values.slice(start, start + length), shape);
        },
        statistic: (name) => weights.of(name).slice(),
      };
      const pass = network.train(data.x, [n, height, width], source, { freezeConvolutions: false, bfloat16: false, frames: true });
      const label = setLoss(pass.logits, n, { ...data, smoothing: 0.05 });
      const frames = frameLoss(pass.frameLogits!, n, head, targets)!;
      if (backward) {
        for (const [name, handle] of pass.backward(scaled(label.gradient, labelShare), scaled(frames.gradient, frameShare))) gradients.set(kernels.values(handle), layout.slot(name).start);
      }
      kernels.sweep();
      return labelShare * label.loss + frameShare * frames.loss;
    };
    run(weights.values.slice(), true);
    const found = new Map<string, number>();
    for (const { spec: parameter, start, length } of layout.slots.values()) {
      if (!parameter.trainable) continue;
      const gradient = gradients.subarray(start, start + length);
      const norm = Math.hypot(...gradient);
      const size = 2e-3;
      const moved = (sign: number) => run(weights.values.map((value, i) => (i >= start && i < start + length ? value + (sign * size * gradient[i - start]!) / norm : value)), false);
      found.set(parameter.name, norm < 1e-9 ? 0 : (moved(1) - moved(-1)) / (2 * size) / norm);
    }
    kernels.dispose();
    return found;
  }

  it('has the gradient that finite differences show, of both losses together and of the frames alone', () => {
    for (const [name, slope] of slopes(1, 0.7)) expect(slope, name).toBeCloseTo(1, 1);
    for (const [name, slope] of slopes(0, 1)) expect(slope, name).toBeCloseTo(/^(layer3|fc)\./.test(name) ? 0 : 1, 1);
  });

  it('changes nothing for the labels where no frame is known, nor where the head is not there', () => {
    const [without, unknown, absent] = [plain(), make(), make()];
    const steps = (trainer: Trainer, targets?: Float32Array) => [1, 2, 3].map((seed) => trainer.step({ ...batch(seed), ...(targets && { frameTargets: targets }) }, rates));
    const losses = steps(without);
    const initial = unknown.stateDict({ ema: false, frameHead: true });
    expect(steps(unknown, new Float32Array(n * width * states))).toEqual(losses);
    expect(steps(absent)).toEqual(losses);
    expect(unknown.stateDict({ ema: false })).toEqual(without.stateDict({ ema: false }));
    expect(unknown.stateDict({ ema: false, frameHead: true }).get('frames.weight')).toEqual(initial.get('frames.weight'));
  });

  it('reports the labels’ loss and the frames’ beside it, neither by its weight', () => {
    const [light, heavy, without] = [make({ frameHead: { states, weight: 0.1 } }), make({ frameHead: { states, weight: 10 } }), plain()];
    const data = { ...batch(4), frameTargets: someTargets(4) };
    const [a, b] = [light.step(data, rates), heavy.step(data, rates)];
    expect(a).toEqual(b);
    expect(a.loss).toBe(without.step(batch(4), rates).loss);
    expect(a.frameLoss).toBeGreaterThan(0);
    // The trunk moved otherwise.
    expect(light.stateDict({ ema: false }).get('bn1.bias')).not.toEqual(heavy.stateDict({ ema: false }).get('bn1.bias'));
  });

  /** Bursts in some frames: state 2 where loud, else 0 before the first burst, 1 behind it. */
  function bursts(seed: number): { data: TrainingBatch; truth: number[] } {
    const next = random(seed);
    const data = batch(seed);
    const truth: number[] = [];
    for (let i = 0; i < n; i++) {
      const start = 4 + Math.floor(next() * 15);
      for (let t = 0; t < width; t++) {
        const loud = t >= start && t < start + 5;
        truth.push(loud ? 2 : t < start ? 0 : 1);
        for (let h = 0; h < height; h++) data.x[(i * height + h) * width + t] = (loud ? 2 : 0) + 0.3 * (next() - 0.5);
      }
    }
    data.frameTargets = new Float32Array(n * width * states);
    truth.forEach((state, frame) => (data.frameTargets![frame * states + state] = 1));
    return { data, truth };
  }

  function accuracy(probabilities: Float32Array, truth: readonly number[]): number {
    const right = truth.filter((state, frame) => {
      const row = [...probabilities.subarray(frame * states, (frame + 1) * states)];
      return row.indexOf(Math.max(...row)) === state;
    });
    return right.length / truth.length;
  }

  it('learns states that can be read from the input, frame by frame, on windows it never saw', () => {
    const trainer = make({ frameHead: { states, weight: 1 }, emaDecay: 0.9 });
    const first = trainer.step(bursts(100).data, { learningRate: 0.01, beta1: 0.9 }).frameLoss!;
    const { tensors } = trainer.memory();
    let last = first;
    for (let i = 1; i < 150; i++) last = trainer.step(bursts(100 + i).data, { learningRate: 0.01, beta1: 0.9 }).frameLoss!;
    expect(last).toBeLessThan(first / 3);
    const { data, truth } = bursts(5000);
    const probabilities = trainer.predictFrames(data.x, n);
    expect(probabilities).toHaveLength(n * width * states);
    for (let frame = 0; frame < n * width; frame++) expect(probabilities[3 * frame]! + probabilities[3 * frame + 1]! + probabilities[3 * frame + 2]!).toBeCloseTo(1, 5);
    expect(accuracy(probabilities, truth)).toBeGreaterThan(0.9);
    expect(accuracy(trainer.predictFrames(data.x, n, { ema: false }), truth)).toBeGreaterThan(0.9);
    expect([tensors, trainer.memory().tensors]).toEqual([0, 0]);
  });

  it('predicts a window’s frames the same whatever comes with it', () => {
    const trainer = make();
    const windows = Array.from({ length: 5 }, (_, i) => batch(70 + i).x);
    const together = trainer.predictFrames(Float32Array.from(windows.flatMap((x) => [...x])), 5 * n);
    const alone = trainer.predictFrames(windows[4]!.slice(0, height * width), 1);
    alone.forEach((value, i) => expect(together[4 * n * width * states + i]).toBeCloseTo(value, 5));
  });

  it('goes on from a checkpoint to the same bytes as without a stop', () => {
    const folder = mkdtempSync(join(tmpdir(), 'stetho-frames-'));
    folders.push(folder);
    const step = (trainer: Trainer, i: number) => trainer.step({ ...batch(10 + i), frameTargets: someTargets(10 + i) }, rates);
    const [whole, first] = [make(), make()];
    for (let i = 0; i < 6; i++) step(whole, i);
    for (let i = 0; i < 3; i++) step(first, i);
    first.save(folder);
    const second = make({ seed: 6 });
    second.restore(folder);
    for (let i = 3; i < 6; i++) step(second, i);
    for (const ema of [true, false]) expect(second.stateDict({ ema, frameHead: true })).toEqual(whole.stateDict({ ema, frameHead: true }));
    expect(() => plain().restore(folder)).toThrow(expect.objectContaining({ code: 'TRAINING_CHECKPOINT_INVALID' }) as Error);
  });

  it('keeps its parameters out of state dicts unless asked, and takes them where both sides have them', () => {
    const trainer = make();
    trainer.step({ ...batch(20), frameTargets: someTargets(20) }, rates);
    const names = [...plain().stateDict().keys()];
    expect([...trainer.stateDict().keys()]).toEqual(names);
    const full = trainer.stateDict({ frameHead: true });
    expect([...full.keys()]).toEqual([...names, 'frames.weight', 'frames.bias']);
    expect(full.get('frames.weight')!.shape).toEqual([7 * states, 6]);
    const silent = { missing: [], mismatched: [], unused: [] };
    const other = make({ seed: 9 });
    expect(other.loadStateDict(full)).toMatchObject(silent);
    expect(other.stateDict({ frameHead: true })).toEqual(full);
    expect(plain().loadStateDict(full)).toMatchObject(silent);
    const kept = make({ seed: 9 });
    const own = kept.stateDict({ frameHead: true }).get('frames.weight');
    expect(kept.loadStateDict(trainer.stateDict())).toMatchObject(silent);
    expect(kept.stateDict({ frameHead: true }).get('frames.weight')).toEqual(own);
    expect(make({ frameHead: { states: 2, weight: 1 } }).loadStateDict(full)).toMatchObject({ mismatched: ['frames.weight', 'frames.bias'] });
  });

  it('learns while convolutions are frozen, which stay as they are', () => {
    const trainer = make({ freezeBody: true });
    const before = trainer.stateDict({ ema: false, frameHead: true });
    for (let i = 0; i < 3; i++) trainer.step({ ...batch(30), frameTargets: someTargets(30) }, rates);
    const after = trainer.stateDict({ ema: false, frameHead: true });
    const same = (name: string) => after.get(name)!.data.every((value, i) => value === before.get(name)!.data[i]);
    expect(['layer1.0.conv1.weight', 'frames.weight', 'frames.bias', 'layer2.0.bn1.weight'].map(same)).toEqual([true, false, false, false]);
  });

  it('moves at the rate of its name', () => {
    const trainer = make({ rateOf: (name) => (name === 'frames.bias' ? 0 : 1) });
    const before = trainer.stateDict({ ema: false, frameHead: true });
    trainer.step({ ...batch(31), frameTargets: someTargets(31) }, rates);
    const after = trainer.stateDict({ ema: false, frameHead: true });
    expect(after.get('frames.bias')).toEqual(before.get('frames.bias'));
    expect(after.get('frames.weight')).not.toEqual(before.get('frames.weight'));
  });

  it.skipIf(!fastMathSupported())('computes nearly the same in bfloat16 (skipped: this processor has no instructions for it)', () => {
    const [exact, fast] = [make(), make({ fastMath: true })];
    const data = bursts(40).data;
    const losses = (trainer: Trainer) => Array.from({ length: 30 }, () => trainer.step(data, rates).frameLoss!);
    const [a, b] = [losses(exact), losses(fast)];
    a.forEach((loss, i) => expect(Math.abs(loss - b[i]!)).toBeLessThan(0.05 + 0.1 * loss));
    expect(a).not.toEqual(b);
  });

  it('steps on narrower windows as a trainer that was made for them', () => {
    const narrow = 13;
    const [whole, half] = [make(), make({ width: narrow })];
    const targets = someTargets(60).subarray(0, n * narrow * states);
    const data = { ...noiseBatch(60, n, height, narrow), frameTargets: targets };
    expect(whole.step({ ...data, width: narrow }, rates)).toEqual(half.step(data, rates));
    expect(whole.stateDict({ frameHead: true })).toEqual(half.stateDict({ frameHead: true }));
    // And goes on with whole ones.
    expect(whole.step({ ...batch(61), frameTargets: someTargets(61) }, rates).frameLoss).toBeGreaterThan(0);
    expect(() => whole.step({ ...noiseBatch(60, n, height, 12), width: 12 }, rates)).toThrow(/width is 12, where the frame head's outputs mean other frames than at 27/);
    expect(() => whole.step({ ...noiseBatch(60, n, height, 28), width: 28 }, rates)).toThrow(/width is 28, at most 27 is allowed/);
  });

  it('refuses targets of another size, and any where there is no head', () => {
    expect(() => make().step({ ...batch(50), frameTargets: new Float32Array(5) }, rates)).toThrow(/frameTargets holds 5 values, 648 are needed/);
    expect(() => plain().step({ ...batch(50), frameTargets: someTargets(50) }, rates)).toThrow(expect.objectContaining({ code: 'TRAINING_BATCH_INVALID' }) as Error);
    expect(() => plain().predictFrames(batch(50).x, n)).toThrow(/no frame head/);
  });
});
