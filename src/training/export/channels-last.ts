/** Weights in the order of TensorFlow: filters HWIO, fully connected layers [in, out]. */
import { phaseParameters } from '../../inference/phase-branch.js';
import { convolutions, featureChannels, type ResNetSpec } from '../../inference/resnet34.js';
import { requireTensor, type StateDict, type Tensor } from '../../inference/state-dict.js';

export interface ChannelsLastWeights {
  /** By name of the convolution. */
  convolutions: Map<string, { kernel: Tensor; bias: Tensor }>;
  fc: { kernel: Tensor; bias: Tensor };
  /** Of the phase branch: `frames`, `phase.hidden`, `phase.out`; empty without one. */
  phase: Map<string, { kernel: Tensor; bias: Tensor }>;
}

/** @throws StageError INFERENCE_WEIGHTS_INVALID where a tensor is missing, misshapen or not finite. */
export function channelsLast(folded: StateDict, spec: ResNetSpec): ChannelsLastWeights {
  return {
    convolutions: new Map(
      convolutions(spec).map(({ conv, inChannels, outChannels, kernel }) => [
        conv,
        {
          kernel: hwio(requireTensor(folded, `${conv}.weight`, [outChannels, inChannels, kernel, kernel])),
          bias: requireTensor(folded, `${conv}.bias`, [outChannels]),
        },
      ]),
    ),
    fc: {
      kernel: transposed(requireTensor(folded, 'fc.weight', [spec.labels, featureChannels(spec)])),
      bias: requireTensor(folded, 'fc.bias', [spec.labels]),
    },
    phase: phaseWeights(folded, spec),
  };
}

function phaseWeights(folded: StateDict, spec: ResNetSpec): ChannelsLastWeights['phase'] {
  const found = new Map(spec.phase ? phaseParameters(spec, spec.phase).map(({ name, shape }) => [name, requireTensor(folded, name, shape)]) : []);
  const layers = [...found.keys()].filter((name) => name.endsWith('.weight')).map((name) => name.slice(0, -'.weight'.length));
  return new Map(layers.map((layer) => [layer, { kernel: transposed(found.get(`${layer}.weight`)!), bias: found.get(`${layer}.bias`)! }]));
}

function hwio({ shape, data }: Tensor): Tensor {
  const [outputs, inputs, height, width] = shape as [number, number, number, number];
  const area = height * width;
  const out = new Float32Array(data.length);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let at = 0; at < area; at++) out[(at * inputs + i) * outputs + o] = data[(o * inputs + i) * area + at]!;
    }
  }
  return { shape: [height, width, inputs, outputs], data: out };
}

function transposed({ shape, data }: Tensor): Tensor {
  const [rows, columns] = shape as [number, number];
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c]!;
  return { shape: [columns, rows], data: out };
}
