/**
 * Folds every batch norm into the convolution before it. With s = γ / √(σ² + ε):
 * conv weight' = s · weight (per output channel), conv bias' = β − s · μ. Exact up to rounding; computed in double.
 */
import { foldPhaseBranch } from './phase-branch.js';
import { BATCH_NORM_EPS, convolutions, featureChannels, type ConvBnSpec, type ResNetSpec } from './resnet34.js';
import { requireTensor, type StateDict, type Tensor } from './state-dict.js';

/**
 * @param state weights under torchvision's names (see `parameters`); further tensors are ignored.
 * @returns `<conv>.weight` (OIHW) and `<conv>.bias` for every convolution, `fc.weight` and `fc.bias`, and what a phase
 * branch has (phase-branch.ts); shares no memory.
 * @throws StageError INFERENCE_WEIGHTS_INVALID where a tensor is missing, misshapen or not finite.
 */
export function foldBatchNorm(state: StateDict, spec: ResNetSpec): StateDict {
  const folded: StateDict = new Map();
  for (const convBn of convolutions(spec)) {
    const { weight, bias } = foldOne(state, convBn);
    folded.set(`${convBn.conv}.weight`, weight);
    folded.set(`${convBn.conv}.bias`, bias);
  }
  folded.set('fc.weight', copy(requireTensor(state, 'fc.weight', [spec.labels, featureChannels(spec)])));
  folded.set('fc.bias', copy(requireTensor(state, 'fc.bias', [spec.labels])));
  return spec.phase ? new Map([...folded, ...foldPhaseBranch(state, spec, spec.phase)]) : folded;
}

function foldOne(state: StateDict, { conv, bn, inChannels, outChannels, kernel }: ConvBnSpec): { weight: Tensor; bias: Tensor } {
  const shape = [outChannels, inChannels, kernel, kernel];
  const source = requireTensor(state, `${conv}.weight`, shape).data;
  const [gamma, beta, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(
    (part) => requireTensor(state, `${bn}.${part}`, [outChannels]).data,
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];

  const weight = new Float32Array(source.length);
  const bias = new Float32Array(outChannels);
  const perChannel = source.length / outChannels;
  for (let channel = 0; channel < outChannels; channel++) {
    const scale = gamma[channel]! / Math.sqrt(variance[channel]! + BATCH_NORM_EPS);
    for (let i = channel * perChannel; i < (channel + 1) * perChannel; i++) weight[i] = source[i]! * scale;
    bias[channel] = beta[channel]! - mean[channel]! * scale;
  }
  return { weight: { shape, data: weight }, bias: { shape: [outChannels], data: bias } };
}

function copy(tensor: Tensor): Tensor {
  return { shape: [...tensor.shape], data: tensor.data.slice() };
}
