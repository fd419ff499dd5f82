/** Chooses an engine: the one named, or with `auto` the first in order of speed that loads and reproduces the golden output. */
import { existsSync, readdirSync } from 'node:fs';
import { toStageError } from '../common/stage-error.js';
import { checkGolden } from './golden-check.js';
import { inferenceError } from './inference-error.js';
import type { ModelPackage } from './model-package.js';
import { OnnxEngine, type OnnxProvider } from './engines/onnx.js';
import { TensorFlowEngine } from './engines/tensorflow.js';
import type { Engine } from './types.js';

export type EngineName = 'onnx' | 'webgpu' | 'cuda' | 'tensorflow';
export type EngineChoice = EngineName | 'auto';

export interface EngineOptions {
  /** Threads inside one run; 0 or absent: one for each core this process may use. */
  threads?: number;
  /** See OnnxEngineOptions. */
  spinning?: boolean;
  /** Absolute path of a JavaScript module that exports `loadTensorFlow()`; the engine `tensorflow` needs it. */
  tensorFlowLoader?: string;
}

/** What came of trying one engine. */
export interface EngineAttempt {
  engine: EngineName;
  ok: boolean;
  /** Why it was chosen, or why not. */
  reason: string;
}

export interface SelectedEngine {
  /** Loaded, golden output reproduced. */
  engine: Engine;
  /** Largest difference from the golden probabilities. */
  goldenDifference: number;
  /** In the order tried; the last one is the one chosen. */
  attempts: EngineAttempt[];
}

/** How `auto` tries them: GPUs first, then the CPU. TensorFlow ran the same weights at half of ONNX Runtime's speed on the same cores: by name only. */
export const AUTO_ORDER: readonly EngineName[] = ['cuda', 'webgpu', 'onnx'];

/**
 * @throws StageError of the engine named; with `auto`, INFERENCE_GOLDEN_MISMATCH or INFERENCE_MODEL_UNLOADABLE of the
 * last one when none will do; INFERENCE_ENGINE_UNKNOWN for other names.
 */
export async function selectEngine(choice: EngineChoice, model: ModelPackage, options: EngineOptions = {}): Promise<SelectedEngine> {
  const attempts: EngineAttempt[] = [];
  const candidates = choice === 'auto' ? AUTO_ORDER : [choice];
  let lastError: unknown;
  for (const name of candidates) {
    const obstacle = choice === 'auto' ? obstacleTo(name) : undefined;
    if (obstacle !== undefined) {
      attempts.push({ engine: name, ok: false, reason: obstacle });
      continue;
    }
    try {
      const { engine, goldenDifference } = await tryEngine(name, model, options, choice === 'auto');
      attempts.push({ engine: name, ok: true, reason: reasonFor(engine, choice, goldenDifference) });
      return { engine, goldenDifference, attempts };
    } catch (error) {
      lastError = error;
      attempts.push({ engine: name, ok: false, reason: toStageError(error, { code: 'INFERENCE_ENGINE_UNAVAILABLE', stage: 'inference' }).message });
    }
  }
  throw lastError;
}

/** Makes an engine that has no model yet. */
export function createEngine(name: EngineName, options: EngineOptions = {}): Engine {
  const providers: Partial<Record<EngineName, OnnxProvider>> = { onnx: 'cpu', webgpu: 'webgpu', cuda: 'cuda' };
  const provider = providers[name];
  if (provider !== undefined) return new OnnxEngine({ ...options, provider });
  if (name === 'tensorflow') return new TensorFlowEngine(options.tensorFlowLoader);
  throw inferenceError('INFERENCE_ENGINE_UNKNOWN', `there is no engine \`${String(name)}\``, 'Choose one of auto, onnx, webgpu, cuda, tensorflow.');
}

async function tryEngine(name: EngineName, model: ModelPackage, options: EngineOptions, hardwareOnly: boolean) {
  const engine = createEngine(name, options);
  try {
    await engine.load(model);
    const { device } = engine.info;
    if (hardwareOnly && /software/.test(device)) {
      throw inferenceError('INFERENCE_ENGINE_UNAVAILABLE', `${device} is no hardware and slower than the CPU engine`, 'Ask for it by name if you want it.');
    }
    return { engine, goldenDifference: await checkGolden(engine, model) };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** Why `auto` need not even try: keeps native libraries from loading, and from printing warnings, where they cannot work. */
function obstacleTo(name: EngineName): string | undefined {
  if (process.platform !== 'linux' || name === 'onnx') return undefined;
  const nvidia = existsSync('/dev/nvidia0');
  if (name === 'cuda') return nvidia ? undefined : 'no NVIDIA GPU: /dev/nvidia0 does not exist';
  const render = existsSync('/dev/dri') && readdirSync('/dev/dri').some((file) => file.startsWith('render'));
  return nvidia || render ? undefined : 'no GPU: neither /dev/dri/render* nor /dev/nvidia0 exists';
}

function reasonFor({ info }: Engine, choice: EngineChoice, goldenDifference: number): string {
  const why = choice === 'auto' ? 'first in order of speed that works here' : 'asked for';
  return `${why}; golden output reproduced on ${info.device} within ${goldenDifference.toExponential(1)}`;
}
