import * as ort from 'onnxruntime-node';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtModule } from '../../src/common/paths.js';
import { EngineWorker } from '../../src/inference/engine-worker-proxy.js';
import { foldBatchNorm } from '../../src/inference/fold-batch-norm.js';
import { loadModelPackage } from '../../src/inference/model-package.js';
import { readOnnxWeights } from '../../src/inference/onnx-weights.js';
import { writeFoldedOnnx, writeResNetOnnx } from '../../src/inference/onnx-writer.js';
import { foldPhaseBranch, phaseFrameHead, phaseParameters, PHASE_SHARE } from '../../src/inference/phase-branch.js';
import { randomStateDict } from '../../src/inference/random-state.js';
import { parameters, resnet34 } from '../../src/inference/resnet34.js';
import { specOf } from '../../src/inference/spec-of.js';
import { elementCount, type StateDict } from '../../src/inference/state-dict.js';
import { tensorFlowStatus } from '../../src/training/engine/tensorflow.js';
import { naiveForward } from './naive-resnet.js';
import { inputs, loud, SMALL, SMALL_PHASE, smallPhaseState, smallState } from './small-model.js';
import { writeSmallPackage } from './test-package.js';

const { height, width, spec } = SMALL_PHASE;
const size = height * width;
const state = smallPhaseState();
const batch = inputs(3);
const expected = [0, 1, 2].flatMap((i) => [...naiveForward(state, spec, batch.slice(i * size, (i + 1) * size), height, width)]);

async function runOnnx(bytes: Uint8Array, input = batch, dims = [3, 1, height, width]): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const { logits } = await session.run({ input: new ort.Tensor('float32', input, dims) });
  const data = Float32Array.from(logits!.data as Float32Array);
  await session.release();
  return data;
}

const differences = (values: ArrayLike<number>) => Array.from(values, (value, i) => Math.abs(value - expected[i]!));

describe('phase branch', () => {
  it('has a say: the logits are not those of the trunk, nor its share of them', () => {
    const trunk = [0, 1, 2].flatMap((i) => [...naiveForward(state, SMALL.spec, batch.slice(i * size, (i + 1) * size), height, width)]);
    const members = expected.map((logit, i) => logit - (1 - PHASE_SHARE) * trunk[i]!);
    expect(Math.max(...members.map(Math.abs))).toBeGreaterThan(0.05);
    expect(new Set(members.map((value) => value.toFixed(3))).size).toBeGreaterThan(6);
  });

  it('folds into one network: its members side by side, the trunk and they at their shares, a quarter of it theirs', () => {
    const small = { ...resnet34(2, { stemWidth: 1, blocks: [1], widths: [1] }), phase: { height: 1, width: 4, phases: 2, members: 2, hidden: 1 } };
    const given = randomStateDict(small, 1);
    given.set('phase.out.weight', { shape: [4, 1], data: Float32Array.of(4, 8, 12, 16) });
    given.set('phase.out.bias', { shape: [4], data: Float32Array.of(1, 2, 3, 6) });
    given.set('fc.weight', { shape: [2, 1], data: Float32Array.of(3, 5) });
    given.set('fc.bias', { shape: [2], data: Float32Array.of(-1, 1) });
    const folded = foldPhaseBranch(given, small, small.phase);
    expect(folded.get('phase.out.weight')).toEqual({ shape: [2, 2], data: Float32Array.of(0.5, 1.5, 1, 2) });
    expect(folded.get('phase.out.bias')).toEqual({ shape: [2], data: Float32Array.of(0.5, 1) });
    expect(folded.get('fc.weight')).toEqual({ shape: [2, 1], data: Float32Array.of(2.25, 3.75) });
    expect(folded.get('fc.bias')).toEqual({ shape: [2], data: Float32Array.of(-0.75, 0.75) });
    for (const name of ['frames.weight', 'frames.bias', 'phase.hidden.weight', 'phase.hidden.bias']) {
      expect(folded.get(name)).toEqual(given.get(name));
      expect(folded.get(name)!.data).not.toBe(given.get(name)!.data);
    }
  });

  it('as ONNX, folded, gives what its formula gives, in fp32 and nearly in fp16', async () => {
    expect(Math.max(...differences(await runOnnx(writeResNetOnnx(state, spec, { height, width, weights: 'fp32' }))))).toBeLessThan(1e-4);
    expect(Math.max(...differences(await runOnnx(writeResNetOnnx(state, spec, { height, width }))))).toBeLessThan(1e-2);
  });

  it('gives the same of frame logits too large for e^x in float32', async () => {
    expect(Math.max(...differences(await runOnnx(writeResNetOnnx(loud(state), spec, { height, width, weights: 'fp32' }))))).toBeLessThan(1e-4);
  });

  it('gives what its formula gives with four stages and windows of 3 s, as real networks have them', async () => {
    const real = { ...resnet34(4, { stemWidth: 8, blocks: [1, 1, 1, 1], widths: [8, 8, 16, 16] }), phase: { height: 64, width: 188, phases: 8, members: 3, hidden: 16 } };
    expect(phaseFrameHead(real, real.phase)).toMatchObject({ after: 'layer3.0', columns: 12, framesPerColumn: 16, offset: 4 });
    const weights = randomStateDict(real, 3);
    const window = inputs(1, 2, 64 * 188);
    const logits = await runOnnx(writeResNetOnnx(weights, real, { height: 64, width: 188, weights: 'fp32' }), window, [1, 1, 64, 188]);
    naiveForward(weights, real, window, 64, 188).forEach((value, i) => expect(Math.abs(value - logits[i]!)).toBeLessThan(1e-4));
  });

  it('is read back from the file as it was folded, and runs again', async () => {
    const folded = foldBatchNorm(state, spec);
    const read = readOnnxWeights(writeResNetOnnx(state, spec, { height, width, weights: 'fp32' }));
    expect(new Map([...read].toSorted())).toEqual(new Map([...folded].toSorted()));
    const again = specOf(read, { height, width });
    // Folding makes one member of all.
    expect(again).toEqual({ ...spec, phase: { ...spec.phase, members: 1, hidden: spec.phase.members * spec.phase.hidden } });
    expect(Math.max(...differences(await runOnnx(writeFoldedOnnx(read, again, { height, width, weights: 'fp32' }))))).toBeLessThan(1e-4);
  });

  it('is seen in the shapes of weights, and not in those of a network without', () => {
    expect(specOf(state, { height, width })).toEqual(spec);
    expect(specOf(smallState(), SMALL)).toEqual(SMALL.spec);
  });

  it('refuses weights of another shape or that are no numbers', () => {
    const broken = smallPhaseState();
    broken.get('phase.out.bias')!.data[1] = NaN;
    expect(() => foldBatchNorm(broken, spec)).toThrow(expect.objectContaining({ code: 'INFERENCE_WEIGHTS_INVALID' }));
    const misshapen = smallPhaseState();
    misshapen.set('phase.hidden.bias', { shape: [2], data: new Float32Array(2) });
    expect(() => foldBatchNorm(misshapen, spec)).toThrow(/phase\.hidden\.bias/);
  });

  it.each<[string, (weights: StateDict) => void, { height: number; width: number }]>([
    ['without its second layer', (weights) => weights.delete('phase.out.weight'), SMALL],
    ['without its first layer', (weights) => weights.delete('phase.hidden.weight'), SMALL],
    ['without its frame head', (weights) => weights.delete('frames.weight'), SMALL],
    ['for inputs of another height', () => undefined, { height: 50, width }],
  ])('is refused %s', (_, spoil, size) => {
    const weights = smallPhaseState();
    spoil(weights);
    expect(() => foldBatchNorm(weights, specOf(weights, size))).toThrow(expect.objectContaining({ code: 'INFERENCE_WEIGHTS_INVALID' }));
  });

  it('adds less than 1 MB to a ResNet-34', () => {
    const full = { ...resnet34(4), phase: { height: 64, width: 188, phases: 8, members: 8, hidden: 64 } };
    const values = (list: { shape: number[] }[]) => list.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    expect(2 * values(phaseParameters(full, full.phase))).toBeLessThan(1e6);
    expect(values(parameters(full))).toBe(values(parameters(resnet34(4))));
  });
});

describe('a package with a phase branch', () => {
  const root = mkdtempSync(join(tmpdir(), 'phase-branch-'));
  const folder = join(root, 'good');
  beforeAll(() => writeSmallPackage(folder, { state: smallPhaseState() }));
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('loads', async () => {
    expect((await loadModelPackage(folder)).manifest.features).toMatchObject({ windowFrames: width });
  });

  it.skipIf(!tensorFlowStatus().installed)('gives the same from TensorFlow as from ONNX Runtime (skipped where TensorFlow is not installed)', async () => {
    const results: Float32Array[] = [];
    for (const engine of ['tensorflow', 'onnx'] as const) {
      const worker = new EngineWorker({ folder, engine, threads: 1, tensorFlowLoader: builtModule('training/engine/tensorflow') });
      expect((await worker.start()).goldenDifference).toBeLessThan(1e-4);
      results.push((await worker.run(batch, 3)).probabilities);
      await worker.close();
    }
    results[0]!.forEach((p, i) => expect(Math.abs(p - results[1]![i]!)).toBeLessThan(1e-4));
  });
});
