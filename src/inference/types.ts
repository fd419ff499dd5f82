/** The engine interface, and what inference hands to labels. */
import type { FeatureWindow } from '../features/types.js';
import type { ModelPackage } from './model-package.js';

/** Which device really ran the model: proof, not configuration. */
export interface EngineInfo {
  /** `onnx`, `tensorflow`, `webgpu`. */
  engine: string;
  /** Version of the library behind it. */
  version: string;
  /** `cpu`, or the name of the GPU that ran. */
  device: string;
  /** Threads used inside one run, where the engine knows. */
  threads: number;
}

/** Runs a model. One instance belongs to one thread. */
export interface Engine {
  /** Loads the package's weights. Throws a StageError (stage `inference`). */
  load(model: ModelPackage): Promise<void>;
  /**
   * @param batch count × 1 × nMels × windowFrames values, row-major.
   * @param count number of windows in the batch, 1 … maxBatchSize.
   * @returns count × labels probabilities (calibrated softmax), row-major.
   */
  run(batch: Float32Array, count: number): Promise<Float32Array>;
  readonly info: EngineInfo;
  close(): Promise<void>;
}

/** Probabilities of one window. */
export interface InferredWindow {
  kind: 'inferred';
  window: Omit<FeatureWindow, 'input'>;
  /** One calibrated probability per label of the manifest, in its order; they sum to 1. */
  probabilities: Float32Array;
  /** Time spent waiting for the batch, ms. */
  queueMs: number;
  /** Time of the engine run that held this window, ms. */
  runMs: number;
  /** Windows in that run. */
  batchSize: number;
}

/** A window that was never run: the engine was too slow. */
export interface DroppedWindow {
  kind: 'dropped';
  streamId: string;
  seq: number;
  startSample: number;
  endSample: number;
  sampleRateHz: number;
  capturedAtMs: number;
  /** `queue-full`, `engine-failed`, `invalid-window` (wrong length), `not-finite` (the model gave no numbers) or `closed`. */
  reason: string;
}

export type InferenceItem = InferredWindow | DroppedWindow;
