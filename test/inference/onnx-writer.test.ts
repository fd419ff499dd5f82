import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { foldBatchNorm } from '../../src/inference/fold-batch-norm.js';
import { fromFloat16, toFloat16 } from '../../src/inference/float16.js';
import { readOnnxWeights } from '../../src/inference/onnx-weights.js';
import { writeResNetOnnx } from '../../src/inference/onnx-writer.js';
import { parameters, resnet34 } from '../../src/inference/resnet34.js';
import { elementCount } from '../../src/inference/state-dict.js';
import { naiveForward } from './naive-resnet.js';
import { inputs, SMALL, smallState } from './small-model.js';

const { height, width, spec } = SMALL;

async function runOnnx(bytes: Uint8Array, batch: Float32Array, count: number): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const { logits } = await session.run({ input: new ort.Tensor('float32', batch, [count, 1, height, width]) });
  const data = Float32Array.from(logits!.data as Float32Array);
  await session.release();
  return data;
}

describe('ONNX writer', () => {
  const state = smallState();
  const batch = inputs(3);
  const expected = [0, 1, 2].flatMap((i) => [...naiveForward(state, spec, batch.slice(i * height * width, (i + 1) * height * width), height, width)]);

  it('fp32: gives what the naive forward pass with batch norm gives, for several inputs at once', async () => {
    const logits = await runOnnx(writeResNetOnnx(state, spec, { height, width, weights: 'fp32' }), batch, 3);
    expect(new Set(expected.map((value) => value.toFixed(3))).size).toBeGreaterThan(6);
    logits.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-4));
  });

  it('fp16: gives what the naive forward pass gives when the folded weights are rounded', async () => {
    const logits = await runOnnx(writeResNetOnnx(state, spec, { height, width }), batch, 3);
    // The same rounding applied to folded weights, run through an identity batch norm.
    const rounded = unfold(foldBatchNorm(state, spec));
    const size = height * width;
    const reference = [0, 1, 2].flatMap((i) => [...naiveForward(rounded, spec, batch.slice(i * size, (i + 1) * size), height, width)]);
    logits.forEach((value, i) => expect(Math.abs(value - reference[i]!)).toBeLessThan(1e-4));
    logits.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-2));
  });

  it('gives back its folded weights', () => {
    const weights = readOnnxWeights(writeResNetOnnx(state, spec, { height, width, weights: 'fp32' }));
    expect(new Map([...weights].toSorted())).toEqual(new Map([...foldBatchNorm(state, spec)].toSorted()));
  });

  it('stores ResNet-34 as fp16 in less than 50 MB', () => {
    const full = resnet34(4);
    const zeros = new Map(parameters(full).map(({ name, shape }) => [name, { shape, data: new Float32Array(elementCount(shape)) }]));
    expect(writeResNetOnnx(zeros, full, { height: 64, width: 188 }).length).toBeLessThan(50e6);
  });

  it('refuses weights that fp16 cannot hold', () => {
    const broken = smallState();
    broken.get('layer1.0.bn1.running_var')!.data[0] = 0;
    broken.get('layer1.0.bn1.weight')!.data[0] = 1e6;
    expect(() => writeResNetOnnx(broken, spec, { height, width })).toThrow(/layer1\.0\.conv1\.weight holds .* fp16 ends below 65520/);
  });

  it('names damage when weights are read from a truncated or foreign file', () => {
    const bytes = writeResNetOnnx(state, spec, { height, width });
    for (const damaged of [bytes.slice(0, bytes.length / 2), new Uint8Array(0), new TextEncoder().encode('not a protobuf at all')]) {
      expect(() => readOnnxWeights(damaged)).toThrow(expect.objectContaining({ code: 'INFERENCE_MODEL_UNLOADABLE' }));
    }
  });
});

/** Folded weights, rounded to fp16, as a state whose batch norms only add the bias. */
function unfold(folded: ReturnType<typeof foldBatchNorm>) {
  const state = smallState();
  const round = (data: Float32Array) => data.map((value) => fromFloat16(toFloat16(value)));
  for (const [name, { shape, data }] of folded) {
    if (name === 'fc.bias') state.set(name, { shape, data });
    else if (name.endsWith('.weight')) state.set(name, { shape, data: round(data) });
  }
  for (const name of state.keys()) {
    if (name.endsWith('running_mean')) state.get(name)!.data.fill(0);
    if (name.endsWith('running_var')) state.get(name)!.data.fill(Math.fround(1 - 1e-5));
    if (!/(bn\d|downsample\.1)\.(weight|bias)$/.test(name)) continue;
    const conv = name.replace(/\.(weight|bias)$/, '').replace(/bn(\d)$/, 'conv$1').replace(/downsample\.1$/, 'downsample.0');
    const { data } = state.get(name)!;
    if (name.endsWith('weight')) data.fill(1);
    else data.set(folded.get(`${conv}.bias`)!.data);
  }
  return state;
}
