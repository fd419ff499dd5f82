/** Runs an exported model as its users would: ONNX Runtime, TensorFlow.js layers, TensorFlow's SavedModel loader. */
import * as ort from 'onnxruntime-node';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type * as tfc from '@tensorflow/tfjs-core';
import { loadTensorFlow, tensorFlowStatus } from '../engine/tensorflow.js';
import { inputSize, type ExportFormat } from './types.js';
import type { ExportSource } from './source.js';

export interface Runner {
  /** @param window height × width values. @returns logits. */
  run(window: Float32Array): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Why a format cannot be run here; undefined when it can. */
export function obstacleToRunning(format: ExportFormat): string | undefined {
  if (format.startsWith('onnx') || tensorFlowStatus().installed) return undefined;
  return 'TensorFlow is not set up (`npm run setup:tensorflow`)';
}

/** @param target file or folder of the export. Throws what the library throws when it cannot load it. */
export async function openRunner(format: ExportFormat, target: string | Uint8Array, source: ExportSource): Promise<Runner> {
  if (format === 'layers-model') return layersRunner(String(target), source);
  if (format === 'saved-model') return savedModelRunner(String(target), source);
  return onnxRunner(target, source);
}

async function onnxRunner(file: string | Uint8Array, source: ExportSource): Promise<Runner> {
  const options: ort.InferenceSession.SessionOptions = { intraOpNumThreads: availableParallelism(), logSeverityLevel: 3, extra: { session: { intra_op: { allow_spinning: '0' } } } };
  const session = await (typeof file === 'string' ? ort.InferenceSession.create(file, options) : ort.InferenceSession.create(file, options));
  const { height, width } = inputSize(source);
  return {
    run: async (window) => {
      const { logits } = await session.run({ input: new ort.Tensor('float32', window, [1, 1, height, width]) });
      return logits!.data as Float32Array;
    },
    close: () => session.release(),
  };
}

/** What tfjs-node has beyond tfjs-core. */
interface TensorFlowNode {
  loadLayersModel(url: string): Promise<{ predict(input: tfc.Tensor): tfc.Tensor; dispose(): void }>;
  node: { loadSavedModel(path: string, tags: string[], signature: string): Promise<{ predict(inputs: Record<string, tfc.Tensor>): Record<string, tfc.Tensor>; dispose(): void }> };
}

async function layersRunner(folder: string, source: ExportSource): Promise<Runner> {
  const tf = loadTensorFlow();
  const model = await (tf as unknown as TensorFlowNode).loadLayersModel(`file://${join(folder, 'model.json')}`);
  return tensorFlowRunner(tf, source, (input) => model.predict(input), () => model.dispose());
}

async function savedModelRunner(folder: string, source: ExportSource): Promise<Runner> {
  const tf = loadTensorFlow();
  const model = await (tf as unknown as TensorFlowNode).node.loadSavedModel(folder, ['serve'], 'serving_default');
  return tensorFlowRunner(tf, source, (input) => model.predict({ input })['logits']!, () => model.dispose());
}

function tensorFlowRunner(tf: typeof tfc, source: ExportSource, predict: (input: tfc.Tensor) => tfc.Tensor, dispose: () => void): Runner {
  const { height, width } = inputSize(source);
  return {
    run: async (window) => {
      // One channel: the window's bytes are the same channels last.
      const output = tf.tidy(() => predict(tf.tensor4d(window, [1, height, width, 1])));
      const logits = (await output.data()) as Float32Array;
      output.dispose();
      return logits;
    },
    close: async () => dispose(),
  };
}
