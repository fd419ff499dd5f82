/** Finds and loads TensorFlow's binding (`npm run setup:tensorflow` puts it into the cache folder, outside node_modules). */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import util from 'node:util';
import type * as tfc from '@tensorflow/tfjs-core';
import { cacheDir } from '../../common/paths.js';
import { StageError } from '../../common/stage-error.js';
import type { TensorFlowDevice } from '../../inference/engines/tensorflow-device.js';

/** What @tensorflow/tfjs-node exports, as far as training uses it. */
export type TensorFlow = typeof tfc;

export interface TensorFlowStatus {
  installed: boolean;
  /** Folder that holds node_modules/@tensorflow/tfjs-node. */
  folder: string;
  /** Version of the npm package; null when not installed. */
  binding: string | null;
  /** Version of TensorFlow's library, and whether it found a GPU, when it was set up; null when that is not on record. */
  version: string | null;
  gpu: boolean | null;
  /** Which one it is: for the CPU, for CUDA (`--gpu`), or npm's own (`--plain`). */
  build: string | null;
}

/** Where setup:tensorflow installs. */
export function tensorFlowFolder(): string {
  return join(cacheDir(), 'tensorflow');
}

const packageOf = (folder: string) => join(folder, 'node_modules', '@tensorflow', 'tfjs-node');

/** Looks without loading. */
export function tensorFlowStatus(): TensorFlowStatus {
  const folder = tensorFlowFolder();
  const packageFile = join(packageOf(folder), 'package.json');
  const binding = join(packageOf(folder), 'lib', 'napi-v8', 'tfjs_binding.node');
  if (!existsSync(packageFile) || !existsSync(binding)) return { installed: false, folder, binding: null, version: null, gpu: null, build: null };
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
  return { installed: true, folder, binding: version, ...setUpRecord(folder) };
}

/** What setup:tensorflow found when it tried the library. */
function setUpRecord(folder: string): Pick<TensorFlowStatus, 'version' | 'gpu' | 'build'> {
  try {
    const { version, gpu, build } = JSON.parse(readFileSync(join(folder, 'setup.json'), 'utf8')) as { version: string; gpu: boolean; build: string };
    return { version, gpu, build };
  } catch {
    return { version: null, gpu: null, build: null };
  }
}

/** Loads TensorFlow. Throws TRAINING_TENSORFLOW_MISSING or TRAINING_TENSORFLOW_BROKEN. */
export function loadTensorFlow(): TensorFlow {
  const { installed, folder } = tensorFlowStatus();
  if (!installed) {
    throw new StageError({
      code: 'TRAINING_TENSORFLOW_MISSING',
      stage: 'training',
      message: `TensorFlow is not set up in ${folder}`,
      remedy: 'Run `npm run setup:tensorflow` (about 300 MB, needs g++, make and Python with pip).',
    });
  }
  mendUtil();
  // Its notice about CPU instructions is no news to anyone.
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '3';
  try {
    return createRequire(join(folder, 'package.json'))('@tensorflow/tfjs-node') as TensorFlow;
  } catch (error) {
    throw new StageError({
      code: 'TRAINING_TENSORFLOW_BROKEN',
      stage: 'training',
      message: `TensorFlow's binding in ${folder} does not load: ${error instanceof Error ? error.message : String(error)}`,
      remedy: 'Run `npm run setup:tensorflow -- --force` to build it again for this Node version.',
      cause: error,
    });
  }
}

/** `TensorFlow 2.21.0 on the CPU`. */
export function deviceName({ version, gpu }: TensorFlowDevice): string {
  return `TensorFlow ${version} on the ${gpu ? 'GPU' : 'CPU'}`;
}

/** The engine in a run's log; a CPU in place of a GPU that was asked for is not passed over. */
export function engineLines(device: TensorFlowDevice, build: string | null): string[] {
  const without = 'engine: TensorFlow was set up for CUDA, but finds no GPU that it can use, so the CPU trains; `nvidia-smi` should list one with driver 525 or later';
  return [`engine: ${deviceName(device)}`, ...(build === 'gpu' && !device.gpu ? [without] : [])];
}

/** tfjs-node 4.22 calls two functions that Node 23 removed from `util`; they are one-liners, put back here. */
function mendUtil(): void {
  const legacy = util as unknown as Record<string, unknown>;
  legacy['isNullOrUndefined'] ??= (value: unknown) => value === null || value === undefined;
  legacy['isArray'] ??= Array.isArray;
}
