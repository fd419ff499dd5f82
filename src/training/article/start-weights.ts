/**
 * Weights of an ImageNet network made ready for grey spectrograms: three colours summed to one channel, batch norm that
 * was folded into its convolution taken apart again, the classifier left out.
 */
import { StageError } from '../../common/stage-error.js';
import { convolutions, parameters, type ResNetSpec } from '../../inference/resnet34.js';
import { readSafetensors } from '../../inference/safetensors.js';
import { elementCount, type StateDict, type Tensor } from '../../inference/state-dict.js';
import { PIXEL_DEVIATION, PIXEL_MEAN } from './images.js';

const COLOUR_MEAN = [0.485, 0.456, 0.406] as const;
const COLOUR_DEVIATION = [0.229, 0.224, 0.225] as const;

export interface StartWeights {
  /** What fits the network, by its names; without the classifier. */
  state: StateDict;
  /** Trainable values taken, of all that the network has. */
  taken: number;
  all: number;
  /** Parameters of the network that the file does not hold. */
  missing: string[];
  /** What the file says that it was trained on (`pretrained` in its metadata); may be empty. */
  origin: string;
}

/** @throws StageError INFERENCE_SAFETENSORS_INVALID, TRAINING_WEIGHTS_UNSUITABLE when less than a tenth of the network is in it. */
export async function readStartWeights(file: string, spec: ResNetSpec): Promise<StartWeights> {
  const { tensors, metadata } = await readSafetensors(file);
  const start = { ...fitWeights(tensors, spec), origin: metadata['pretrained'] ?? '' };
  if (start.taken >= 0.1 * start.all) return start;
  throw new StageError({
    code: 'TRAINING_WEIGHTS_UNSUITABLE',
    stage: 'training',
    message: `${file} fits ${start.taken} of the network's ${start.all} values (it holds ${tensors.size} tensors, e.g. ${[...tensors.keys()].slice(0, 3).join(', ') || 'none'})`,
    remedy: 'Name a safetensors file of a ResNet-34 with torchvision’s or timm’s names (conv1.weight, layer1.0.conv1.weight …).',
  });
}

/** The part of `given` that fits `spec`. Blocks that are missing keep their start as identity (second scale zero). */
export function fitWeights(given: StateDict, spec: ResNetSpec): Omit<StartWeights, 'origin'> {
  const unfolded = unfoldBatchNorm(given, spec);
  greyStem(unfolded, spec);
  const state: StateDict = new Map();
  const start: Omit<StartWeights, 'origin'> = { state, taken: 0, all: 0, missing: [] };
  for (const { name, shape, trainable } of parameters(spec)) {
    const tensor = unfolded.get(name);
    const size = trainable ? elementCount(shape) : 0;
    start.all += size;
    if (!name.startsWith('fc.') && tensor && tensor.shape.join() === shape.join()) {
      state.set(name, tensor);
      start.taken += size;
    } else start.missing.push(name);
  }
  return start;
}

/** A convolution with a bias and no batch norm had it folded in: scale 1, shift = bias, mean 0, variance 1. */
function unfoldBatchNorm(given: StateDict, spec: ResNetSpec): StateDict {
  const state = new Map(given);
  for (const { conv, bn, outChannels } of convolutions(spec)) {
    const bias = given.get(`${conv}.bias`);
    if (!bias || given.has(`${bn}.weight`)) continue;
    const filled = (value: number): Tensor => ({ shape: [outChannels], data: new Float32Array(outChannels).fill(value) });
    state.set(`${bn}.weight`, filled(1));
    state.set(`${bn}.bias`, bias);
    state.set(`${bn}.running_mean`, filled(0));
    state.set(`${bn}.running_var`, filled(1));
  }
  return state;
}

/**
 * Three input channels to one. A grey image g went in as (g − mean_c) / deviation_c for each colour c and goes in as
 * x = (g − PIXEL_MEAN) / PIXEL_DEVIATION now: the weights take up the ratio of the deviations, batch norm's mean the rest.
 */
function greyStem(state: StateDict, spec: ResNetSpec): void {
  const stem = state.get('conv1.weight');
  if (!stem || spec.inputChannels !== 1 || stem.shape[1] !== 3) return;
  const [out = 0, , height = 0, width = 0] = stem.shape;
  const area = height * width;
  const data = new Float32Array(out * area);
  const offset = new Float32Array(out);
  for (let o = 0; o < out; o++) {
    for (let c = 0; c < 3; c++) {
      const deviation = COLOUR_DEVIATION[c] ?? 1;
      for (let k = 0; k < area; k++) {
        const weight = stem.data[(o * 3 + c) * area + k]!;
        data[o * area + k]! += (weight * PIXEL_DEVIATION) / deviation;
        offset[o]! += (weight * (PIXEL_MEAN - (COLOUR_MEAN[c] ?? 0))) / deviation;
      }
    }
  }
  state.set('conv1.weight', { shape: [out, 1, height, width], data });
  const mean = state.get('bn1.running_mean');
  if (mean) state.set('bn1.running_mean', { shape: mean.shape, data: mean.data.map((value, o) => value - offset[o]!) });
}
