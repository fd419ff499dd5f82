/**
 * The TensorFlow engine: the package's folded weights run by TensorFlow's kernels, eagerly, in NHWC. How TensorFlow is
 * found is not this stage's business: it is given a module that exports `loadTensorFlow()`.
 */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import type * as tfc from '@tensorflow/tfjs-core';
import { toStageError } from '../../common/stage-error.js';
import { calibratedSoftmax } from '../calibrate.js';
import { inferenceError } from '../inference-error.js';
import type { Manifest } from '../manifest.js';
import type { ModelPackage } from '../model-package.js';
import { readOnnxWeights } from '../onnx-weights.js';
import { basicBlocks, convolutions, featureChannels, stem, type ConvBnSpec, type PhaseBranchSpec, type ResNetSpec } from '../resnet34.js';
import { phaseFrameHead, phaseParameters } from '../phase-branch.js';
import { specOf } from '../spec-of.js';
import { requireTensor, type StateDict } from '../state-dict.js';
import type { Engine, EngineInfo } from '../types.js';
import { tensorFlowDevice } from './tensorflow-device.js';

type TensorFlow = typeof tfc;

/** What the module that is given must export. */
interface TensorFlowModule {
  loadTensorFlow(): TensorFlow;
}

/** Filters HWIO, fully connected weights [in, out]. */
interface Loaded {
  tf: TensorFlow;
  manifest: Manifest;
  spec: ResNetSpec;
  filters: Map<string, { filter: tfc.Tensor4D; bias: tfc.Tensor1D }>;
  fc: { weight: tfc.Tensor2D; bias: tfc.Tensor1D };
  /** Of the phase branch, by name: matrices [in, out] and biases; empty without one. */
  phase: Map<string, tfc.Tensor>;
  info: EngineInfo;
}

export class TensorFlowEngine implements Engine {
  private loaded: Loaded | undefined;

  /** @param loader absolute path of a JavaScript module that exports `loadTensorFlow()`. */
  constructor(private readonly loader: string | undefined) {}

  get info(): EngineInfo {
    return this.require().info;
  }

  /** @throws StageError INFERENCE_ENGINE_UNAVAILABLE, INFERENCE_MODEL_UNLOADABLE, INFERENCE_WEIGHTS_INVALID or INFERENCE_MODEL_MISMATCH. */
  async load(model: ModelPackage): Promise<void> {
    await this.close();
    const tf = await importTensorFlow(this.loader);
    const state = readOnnxWeights(await readFile(model.onnxFile));
    const { mel, windowFrames } = model.manifest.features;
    const spec = specOf(state, { height: mel.nMels, width: windowFrames });
    if (spec.labels !== model.manifest.labels.length) {
      throw inferenceError('INFERENCE_MODEL_MISMATCH', `${model.onnxFile} has ${spec.labels} outputs, the manifest ${model.manifest.labels.length} labels`, 'Manifest and weights belong to different models: export the package again.');
    }
    this.loaded = { tf, manifest: model.manifest, spec, filters: loadFilters(tf, state, spec), fc: loadLinear(tf, state, spec), phase: loadPhase(tf, state, spec), info: describe(tf) };
  }

  /** @throws StageError INFERENCE_ENGINE_NOT_LOADED, INFERENCE_BATCH_INVALID or INFERENCE_RUN_FAILED. */
  async run(batch: Float32Array, count: number): Promise<Float32Array> {
    const loaded = this.require();
    const { manifest, tf } = loaded;
    const [height, width] = [manifest.features.mel.nMels, manifest.features.windowFrames];
    if (!Number.isInteger(count) || count < 1 || batch.length !== count * height * width) {
      throw inferenceError('INFERENCE_BATCH_INVALID', `a batch of ${count} windows holds ${batch.length} values, expected ${count * height * width} = count × ${height} × ${width}`, "Build windows with the features of this model's manifest.");
    }
    try {
      // One channel: NCHW and NHWC are the same bytes.
      const logits = tf.tidy(() => forward(loaded, tf.tensor4d(batch, [count, height, width, 1])));
      const values = await logits.data();
      logits.dispose();
      return calibratedSoftmax(values, manifest.labels.length, manifest.output.temperature);
    } catch (cause) {
      throw inferenceError('INFERENCE_RUN_FAILED', `TensorFlow failed on a batch of ${count}: ${(cause as Error).message}`, 'Free memory or choose a smaller maxBatchSize; if it persists, try another engine.', { retryable: true, cause });
    }
  }

  async close(): Promise<void> {
    const { loaded } = this;
    this.loaded = undefined;
    if (loaded === undefined) return;
    loaded.tf.dispose([...loaded.filters.values()].flatMap(({ filter, bias }) => [filter, bias]));
    loaded.tf.dispose([loaded.fc.weight, loaded.fc.bias, ...loaded.phase.values()]);
  }

  private require(): Loaded {
    if (this.loaded === undefined) throw inferenceError('INFERENCE_ENGINE_NOT_LOADED', 'the TensorFlow engine has no model loaded', 'Call load() first.');
    return this.loaded;
  }
}

function forward(loaded: Loaded, input: tfc.Tensor4D): tfc.Tensor2D {
  const { tf, spec, filters, fc } = loaded;
  const conv = (x: tfc.Tensor4D, layer: ConvBnSpec, activation: 'relu' | 'linear') => {
    const { filter, bias } = filters.get(layer.conv)!;
    return tf.fused.conv2d({ x: padded(tf, x, layer.pad), filter, bias, strides: layer.stride, pad: 'valid', activation });
  };
  let x = conv(input, stem(spec), 'relu');
  // After a relu nothing is negative, so padding with zero is as good as with −∞.
  x = tf.maxPool(padded(tf, x, 1), 3, 2, 'valid');
  const heard = spec.phase && phaseFrameHead(spec, spec.phase).after;
  let features = x;
  for (const block of basicBlocks(spec)) {
    const before = x;
    x = tf.tidy(() => {
      const main = conv(conv(before, block.first, 'relu'), block.second, 'linear');
      return tf.relu(tf.add(main, block.downsample ? conv(before, block.downsample, 'linear') : before)) as tfc.Tensor4D;
    });
    if (block.name === heard) features = x;
  }
  const logits: tfc.Tensor2D = tf.add(tf.matMul(tf.mean(x, [1, 2]) as tfc.Tensor2D, fc.weight), fc.bias);
  return spec.phase ? tf.add(logits, phaseLogits(loaded, spec.phase, input, features)) : logits;
}

/** What the phase branch adds to the logits: see phase-branch.ts. */
function phaseLogits({ tf, spec, phase }: Loaded, branch: PhaseBranchSpec, input: tfc.Tensor4D, features: tfc.Tensor4D): tfc.Tensor2D {
  const { height, width, phases } = branch;
  const { channels, columns, framesPerColumn, offset } = phaseFrameHead(spec, branch);
  const linear = (x: tfc.Tensor2D, name: string): tfc.Tensor2D => tf.add(tf.matMul(x, phase.get(`${name}.weight`) as tfc.Tensor2D), phase.get(`${name}.bias`)!);
  const frames = linear(tf.reshape(tf.mean(features, [1]), [-1, channels]), 'frames');
  const known = tf.slice(tf.reshape(frames, [-1, columns * framesPerColumn, phases]), [0, offset, 0], [-1, width, phases]);
  // TensorFlow's softmax is over the last axis: [N, phases, width].
  const shares = tf.softmax(tf.transpose(tf.logSoftmax(known), [0, 2, 1]));
  const means = tf.matMul(tf.reshape(input, [-1, height, width]), shares, false, true);
  return linear(tf.relu(linear(tf.reshape(means, [-1, height * phases]), 'phase.hidden')), 'phase.out');
}

/** Symmetric padding, as torchvision's; TensorFlow's `same` pads one side more where the stride is 2. */
function padded(tf: TensorFlow, x: tfc.Tensor4D, pad: number): tfc.Tensor4D {
  return pad === 0 ? x : tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]]);
}

function loadFilters(tf: TensorFlow, state: StateDict, spec: ResNetSpec): Loaded['filters'] {
  return new Map(convolutions(spec).map(({ conv, inChannels, outChannels, kernel }) => {
    const { data } = requireTensor(state, `${conv}.weight`, [outChannels, inChannels, kernel, kernel]);
    const filter = tf.tidy(() => tf.transpose(tf.tensor4d(data, [outChannels, inChannels, kernel, kernel]), [2, 3, 1, 0]));
    return [conv, { filter, bias: tf.tensor1d(requireTensor(state, `${conv}.bias`, [outChannels]).data) }];
  }));
}

function loadLinear(tf: TensorFlow, state: StateDict, spec: ResNetSpec): Loaded['fc'] {
  const shape: [number, number] = [spec.labels, featureChannels(spec)];
  const { data } = requireTensor(state, 'fc.weight', shape);
  return { weight: tf.tidy(() => tf.transpose(tf.tensor2d(data, shape))), bias: tf.tensor1d(requireTensor(state, 'fc.bias', [spec.labels]).data) };
}

function loadPhase(tf: TensorFlow, state: StateDict, spec: ResNetSpec): Loaded['phase'] {
  if (!spec.phase) return new Map();
  return new Map(phaseParameters(spec, spec.phase).map(({ name, shape }) => {
    const { data } = requireTensor(state, name, shape);
    return [name, shape.length === 2 ? tf.tidy(() => tf.transpose(tf.tensor2d(data, shape as [number, number]))) : tf.tensor1d(data)];
  }));
}

async function importTensorFlow(loader: string | undefined): Promise<TensorFlow> {
  const unavailable = (reason: string, remedy: string, cause?: unknown) => inferenceError('INFERENCE_ENGINE_UNAVAILABLE', `no TensorFlow here: ${reason}`, remedy, { cause });
  if (loader === undefined) throw unavailable('no loader was given', 'Use `--engine onnx`.');
  try {
    const { loadTensorFlow } = (await import(pathToFileURL(loader).href)) as TensorFlowModule;
    return loadTensorFlow();
  } catch (cause) {
    const { message, remedy } = toStageError(cause, { code: 'INFERENCE_ENGINE_UNAVAILABLE', stage: 'inference' });
    throw unavailable(message, remedy || 'Run `npm run setup:tensorflow`, or use `--engine onnx`.', cause);
  }
}

function describe(tf: TensorFlow): EngineInfo {
  const { version, gpu } = tensorFlowDevice(tf);
  return {
    engine: 'tensorflow',
    version: `tensorflow ${version}`,
    device: gpu ? 'gpu' : 'cpu',
    // TensorFlow decides by itself; it takes every core it may use.
    threads: availableParallelism(),
  };
}
