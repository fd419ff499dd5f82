/**
 * `--weights` against PyTorch: weights and pictures come from an integer hash that both sides compute, the logits in
 * fixtures/torchvision.json from torchvision's own ResNet-34 (fixtures/make-torchvision.py says how).
 */
import * as ort from 'onnxruntime-node';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { foldBatchNorm } from '../../../src/inference/fold-batch-norm.js';
import { writeFoldedOnnx } from '../../../src/inference/onnx-writer.js';
import { resnet34, type ResNetSpec } from '../../../src/inference/resnet34.js';
import { readSafetensors } from '../../../src/inference/safetensors.js';
import type { StateDict, Tensor } from '../../../src/inference/state-dict.js';
import { networkInput, PIXEL_DEVIATION, PIXEL_MEAN } from '../../../src/training/article/images.js';
import { readStartWeights } from '../../../src/training/article/start-weights.js';
import { loadTensorFlow, tensorFlowStatus } from '../../../src/training/engine/tensorflow.js';
import { createTrainer } from '../../../src/training/engine/trainer.js';

interface Golden {
  /** torchvision's state_dict in its order, counters included. */
  parameters: [name: string, shape: number[]][];
  cases: { height: number; width: number; grey: number[]; greyFramed: number[]; colour: number[] }[];
}

const golden = JSON.parse(readFileSync(new URL('../fixtures/torchvision.json', import.meta.url), 'utf8')) as Golden;
const folder = mkdtempSync(join(tmpdir(), 'stetho-torchvision-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LABELS = 4;
const grey = resnet34(LABELS);
const colour = resnet34(LABELS, { inputChannels: 3 });

/** Values in [−1, 1): murmur3's finaliser over index × golden ratio + FNV-1a of the name. */
function uniform(name: string, count: number): Float64Array {
  let seed = 0x811c9dc5;
  for (const byte of Buffer.from(name)) seed = Math.imul(seed ^ byte, 0x01000193);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let h = (Math.imul(i, 0x9e3779b1) + seed) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    values[i] = ((h ^ (h >>> 16)) >>> 0) / 2 ** 31 - 1;
  }
  return values;
}

const elements = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

function weight(name: string, shape: number[]): Tensor {
  const [offset, scale] = affine(name, shape);
  return { shape, data: Float32Array.from(uniform(name, elements(shape)), (u) => offset + scale * u) };
}

function affine(name: string, shape: number[]): [offset: number, scale: number] {
  if (shape.length === 4) return [0, Math.sqrt(6 / elements(shape.slice(1)))];
  if (shape.length === 2) return [0, Math.sqrt(3 / shape[1]!)];
  if (name.endsWith('running_var')) return [1, 0.4];
  if (name.endsWith('bn2.weight')) return [0.4, 0.2];
  return name.endsWith('.weight') ? [1, 0.3] : [0, 0.2];
}

/** Grey levels, channel by channel: blocks of 8 × 8 pixels, and grain. */
function picture(name: string, channels: number, height: number, width: number): Float32Array {
  const area = height * width;
  const [blocks, grain] = [uniform(`${name}.blocks`, channels * area), uniform(`${name}.grain`, channels * area)];
  const pixels = new Float32Array(channels * area);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) pixels[c * area + y * width + x] = 0.5 + 0.35 * blocks[c * area + (y >> 3) * width + (x >> 3)]! + 0.15 * grain[c * area + y * width + x]!;
    }
  }
  return pixels;
}

const isCounter = (name: string) => name.endsWith('num_batches_tracked');

/** A safetensors file as PyTorch writes it: counters are I64 scalars, tensors in the order of `names`. */
function writeTorchFile(file: string, names: readonly [string, number[]][]): void {
  const tensors = names.map(([name, shape]) => ({ name, shape, bytes: isCounter(name) ? new BigInt64Array([100n]) : weight(name, shape).data }));
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const { name, shape, bytes } of tensors) header[name] = { dtype: isCounter(name) ? 'I64' : 'F32', shape, data_offsets: [end, (end += bytes.byteLength)] };
  const json = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(file, Buffer.concat([size, json, ...tensors.map(({ bytes }) => Buffer.from(bytes.buffer))]));
}

/** The state_dict with ImageNet's classifier. */
const imageNet = golden.parameters.map(([name, shape]): [string, number[]] => [name, name.startsWith('fc.') ? [1000, ...shape.slice(1)] : shape]);
const torchvisionFile = join(folder, 'torchvision.safetensors');
const timmFile = join(folder, 'timm.safetensors');
writeTorchFile(torchvisionFile, imageNet);
// timm's resnet34 has the same names (conv1, bn1, layer1.0.downsample.0, fc); its files are sorted by name, with counters.
writeTorchFile(timmFile, imageNet.toSorted(([a], [b]) => (a < b ? -1 : 1)));

const head = (): StateDict => new Map(golden.parameters.filter(([name]) => name.startsWith('fc.')).map(([name, shape]) => [name, weight(name, shape)]));

/** What `--weights` takes from a file, and the head that belongs to the golden logits. */
async function started(file: string): Promise<StateDict> {
  const { state, missing, taken, all } = await readStartWeights(file, grey);
  expect(missing).toEqual(['fc.weight', 'fc.bias']);
  expect(all - taken).toBe(LABELS * 512 + LABELS);
  return new Map([...state, ...head()]);
}

/** Largest difference in units of the largest logit. */
function relativeDifference(found: ArrayLike<number>, expected: readonly number[]): number {
  expect(found.length).toBe(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - found[i]!))) / scale;
}

async function onnxLogits(state: StateDict, spec: ResNetSpec, { height, width }: { height: number; width: number }, input: Float32Array): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(writeFoldedOnnx(foldBatchNorm(state, spec), spec, { height, width, weights: 'fp32' }), { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const { logits } = await session.run({ input: new ort.Tensor('float32', input, [1, spec.inputChannels, height, width]) });
  const values = Float32Array.from(logits!.data as Float32Array);
  await session.release();
  return values;
}

/** Pixels as the recipe `article` normalises them; through its own code where pictures are square. */
function greyInput({ height, width }: { height: number; width: number }): Float32Array {
  const pixels = picture(`grey${height}`, 1, height, width);
  return height === width ? networkInput([{ pixels, height, width }], height) : pixels.map((g) => (g - PIXEL_MEAN) / PIXEL_DEVIATION);
}

describe.each(golden.cases)('ImageNet weights at $height × $width', (size) => {
  it('exported as ONNX, see a grey picture as torchvision does, 1e-4 of the logits', async () => {
    const state = await started(torchvisionFile);
    const logits = await onnxLogits(state, grey, size, greyInput(size));
    expect(relativeDifference(logits, size.greyFramed)).toBeLessThan(1e-4);
    // torchvision's zeros beyond the edge are another grey for each colour, which one channel cannot have.
    expect(relativeDifference(logits, size.grey)).toBeLessThan(1e-2);
  });

  it.skipIf(!tensorFlowStatus().installed)('and so does the trainer (skipped unless `npm run setup:tensorflow` has been run)', async () => {
    const trainer = createTrainer({ tf: loadTensorFlow(), spec: grey, height: size.height, width: size.width, seed: 1 });
    try {
      const report = trainer.loadStateDict(await started(timmFile));
      expect([report.missing, report.mismatched, report.unused]).toEqual([[], [], []]);
      expect(relativeDifference(trainer.predict(greyInput(size), 1), size.greyFramed)).toBeLessThan(1e-4);
    } finally {
      trainer.dispose();
    }
  });

  it('with three channels, give torchvision’s logits of a colour picture', async () => {
    const { tensors } = await readSafetensors(timmFile);
    const [mean, deviation] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];
    const area = size.height * size.width;
    const input = picture(`colour${size.height}`, 3, size.height, size.width).map((g, i) => (g - mean[Math.floor(i / area)]!) / deviation[Math.floor(i / area)]!);
    expect(relativeDifference(await onnxLogits(new Map([...tensors, ...head()]), colour, size, input), size.colour)).toBeLessThan(1e-4);
  });
});

describe('the comparison', () => {
  it('notices a stem without the colours’ means, summed plainly', async () => {
    const [size] = golden.cases as [Golden['cases'][number]];
    const state = await started(timmFile);
    const { tensors } = await readSafetensors(timmFile);
    state.set('bn1.running_mean', tensors.get('bn1.running_mean')!);
    expect(relativeDifference(await onnxLogits(state, grey, size, greyInput(size)), size.greyFramed)).toBeGreaterThan(1e-3);
  });
});
