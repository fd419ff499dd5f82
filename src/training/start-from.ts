/** Where training starts: random weights, or the trunk in a safetensors file. The head is always a fresh one. */
import { basename } from 'node:path';
import type { ResNetSpec } from '../inference/resnet34.js';
import type { StateDict } from '../inference/state-dict.js';
import { readStartWeights } from './article/start-weights.js';
import { weightsPath } from './option-checks.js';

export interface Start {
  /** Absent: random weights. */
  state: StateDict | undefined;
  /** In words, for log, report and card. */
  text: string;
}

/** Of `--start`. Throws TRAINING_WEIGHTS_MISSING. */
export function startPath(file: string | undefined): string | null {
  return weightsPath(file, 'Name the weights.safetensors of a run or of a torchvision ResNet-34, or leave --start out to start from random weights.');
}

/** @throws StageError INFERENCE_SAFETENSORS_INVALID, TRAINING_WEIGHTS_UNSUITABLE. */
export async function loadStart(path: string | null, spec: ResNetSpec): Promise<Start> {
  if (path === null) return { state: undefined, text: 'random weights' };
  const { state, taken, all, origin } = await readStartWeights(path, spec);
  const share = `${((100 * taken) / all).toFixed(0)} % of the network's values; a fresh head`;
  return { state, text: `${basename(path)} (${origin === '' ? '' : `${origin}; `}${share})` };
}
