/** Untrained weights, reproducible by seed: the start of a training from scratch, and a stand-in where only speed or exactness matters. */
import { mulberry32, standardNormal } from '../common/random.js';
import { phaseParameters } from './phase-branch.js';
import { parameters, type ParameterSpec, type ResNetSpec } from './resnet34.js';
import { elementCount, type StateDict } from './state-dict.js';

/**
 * He-normal convolutions (fan out, as torchvision), linear layer uniform in ±1/√in. Batch norm is given scales, shifts
 * and statistics that differ from 1 and 0, so that a mistake in folding them shows; the second one of each block is
 * scaled low, so that the activations of deep networks stay of order 1.
 */
export function randomStateDict(spec: ResNetSpec, seed: number): StateDict {
  const random = mulberry32(seed);
  return new Map([...parameters(spec), ...(spec.phase ? phaseParameters(spec, spec.phase) : [])].map((parameter) => [parameter.name, { shape: [...parameter.shape], data: fill(parameter, random) }]));
}

function fill({ name, shape, kind }: ParameterSpec, random: () => number): Float32Array {
  const draw = drawer(name, shape, kind, random);
  return Float32Array.from({ length: elementCount(shape) }, draw);
}

function drawer(name: string, shape: number[], kind: ParameterSpec['kind'], random: () => number): () => number {
  const [out = 1, inputs = 1, kernelHeight = 1, kernelWidth = 1] = shape;
  const linearBound = 1 / Math.sqrt(inputs);
  const convStd = Math.sqrt(2 / (out * kernelHeight * kernelWidth));
  switch (kind) {
    case 'convWeight':
      return () => convStd * standardNormal(random);
    case 'linearWeight':
    case 'linearBias':
      return () => linearBound * (2 * random() - 1);
    case 'bnScale':
      return name.endsWith('bn2.weight') ? () => 0.2 + 0.2 * random() : () => 0.7 + 0.6 * random();
    case 'bnVariance':
      return () => 0.6 + 0.8 * random();
    case 'bnShift':
    case 'bnMean':
      return () => 0.1 * standardNormal(random);
  }
}
