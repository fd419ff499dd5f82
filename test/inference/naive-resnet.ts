/** A plain forward pass, straight from the definition, batch norm unfolded: what every engine is compared with. */
import { phaseFrameHead, PHASE_SHARE } from '../../src/inference/phase-branch.js';
import { BATCH_NORM_EPS, basicBlocks, stem, type ConvBnSpec, type PhaseBranchSpec, type ResNetSpec } from '../../src/inference/resnet34.js';
import type { StateDict } from '../../src/inference/state-dict.js';

/** One image: channels × height × width. */
interface Image {
  channels: number;
  height: number;
  width: number;
  data: Float64Array;
}

/** Logits of one input (1 × height × width, row-major), computed in double. */
export function naiveForward(state: StateDict, spec: ResNetSpec, input: Float32Array, height: number, width: number): Float64Array {
  let x: Image = { channels: 1, height, width, data: Float64Array.from(input) };
  x = maxPool(relu(convBn(state, stem(spec), x)));
  let features = x;
  for (const block of basicBlocks(spec)) {
    const main = convBn(state, block.second, relu(convBn(state, block.first, x)));
    const shortcut = block.downsample ? convBn(state, block.downsample, x) : x;
    x = relu({ ...main, data: main.data.map((value, i) => value + shortcut.data[i]!) });
    if (spec.phase && block.name === phaseFrameHead(spec, spec.phase).after) features = x;
  }
  const trunk = linear(state, x, spec.labels);
  if (!spec.phase) return trunk;
  const members = phaseMembers(state, spec, spec.phase, input, features);
  return trunk.map((logit, label) => (1 - PHASE_SHARE) * logit + (PHASE_SHARE * members.reduce((sum, member) => sum + member[label]!, 0)) / members.length);
}

/** Logits of each member of the phase branch, straight from the formula: probabilities, then means weighted by them. */
function phaseMembers(state: StateDict, spec: ResNetSpec, { height, width, phases, members, hidden }: PhaseBranchSpec, input: Float32Array, features: Image): number[][] {
  const { columns, framesPerColumn, channels, offset } = phaseFrameHead(spec, { height, width, phases, members, hidden });
  const [frameW, frameB, hiddenW, hiddenB, outW, outB] = ['frames.weight', 'frames.bias', 'phase.hidden.weight', 'phase.hidden.bias', 'phase.out.weight', 'phase.out.bias'].map((name) => state.get(name)!.data) as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];
  if (features.width !== columns || features.channels !== channels) throw new Error('features of another block');
  const column = (j: number) => Array.from({ length: channels }, (_, c) => Array.from({ length: features.height }, (__, row) => pixel(features, c, row, j, 0)).reduce((a, b) => a + b, 0) / features.height);
  const outputs = Array.from({ length: columns }, (_, j) => {
    const values = column(j);
    return Array.from({ length: framesPerColumn * phases }, (__, o) => values.reduce((sum, value, c) => sum + value * frameW[o * channels + c]!, frameB[o]!));
  }).flat();
  const p = Array.from({ length: width }, (_, t) => {
    const powers = outputs.slice((t + offset) * phases, (t + offset + 1) * phases).map(Math.exp);
    const total = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / total);
  });
  const mass = Array.from({ length: phases }, (_, k) => p.reduce((sum, row) => sum + row[k]!, 0));
  const means = Array.from({ length: height * phases }, (_, i) => {
    const [band, k] = [Math.floor(i / phases), i % phases];
    return p.reduce((sum, row, t) => sum + row[k]! * input[band * width + t]!, 0) / mass[k]!;
  });
  const h = Array.from({ length: members * hidden }, (_, unit) => Math.max(0, means.reduce((sum, mean, i) => sum + mean * hiddenW[unit * means.length + i]!, hiddenB[unit]!)));
  return Array.from({ length: members }, (_, m) =>
    Array.from({ length: spec.labels }, (__, label) => {
      const row = m * spec.labels + label;
      return h.slice(m * hidden, (m + 1) * hidden).reduce((sum, unit, i) => sum + unit * outW[row * hidden + i]!, outB[row]!);
    }),
  );
}

function convBn(state: StateDict, { conv, bn, outChannels, kernel, stride, pad }: ConvBnSpec, x: Image): Image {
  const weight = state.get(`${conv}.weight`)!.data;
  const [gamma, beta, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map((part) => state.get(`${bn}.${part}`)!.data) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const y = image(outChannels, x, kernel, stride, pad);
  each(y, (channel, row, column, at) => {
    let sum = 0;
    for (let c = 0; c < x.channels; c++)
      for (let i = 0; i < kernel; i++)
        for (let j = 0; j < kernel; j++) {
          sum += weight[((channel * x.channels + c) * kernel + i) * kernel + j]! * pixel(x, c, row * stride + i - pad, column * stride + j - pad, 0);
        }
    y.data[at] = ((sum - mean[channel]!) / Math.sqrt(variance[channel]! + BATCH_NORM_EPS)) * gamma[channel]! + beta[channel]!;
  });
  return y;
}

function maxPool(x: Image): Image {
  const y = image(x.channels, x, 3, 2, 1);
  each(y, (channel, row, column, at) => {
    let best = -Infinity;
    for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) best = Math.max(best, pixel(x, channel, row * 2 + i - 1, column * 2 + j - 1, -Infinity));
    y.data[at] = best;
  });
  return y;
}

function relu(x: Image): Image {
  return { ...x, data: x.data.map((value) => Math.max(0, value)) };
}

function linear(state: StateDict, x: Image, labels: number): Float64Array {
  const size = x.height * x.width;
  const pooled = Array.from({ length: x.channels }, (_, c) => x.data.subarray(c * size, (c + 1) * size).reduce((a, b) => a + b, 0) / size);
  const { data: weight } = state.get('fc.weight')!;
  const { data: bias } = state.get('fc.bias')!;
  return Float64Array.from({ length: labels }, (_, label) => pooled.reduce((sum, value, c) => sum + value * weight[label * x.channels + c]!, bias[label]!));
}

function image(channels: number, from: Image, kernel: number, stride: number, pad: number): Image {
  const height = Math.floor((from.height + 2 * pad - kernel) / stride) + 1;
  const width = Math.floor((from.width + 2 * pad - kernel) / stride) + 1;
  return { channels, height, width, data: new Float64Array(channels * height * width) };
}

function each({ channels, height, width }: Image, visit: (channel: number, row: number, column: number, at: number) => void): void {
  let at = 0;
  for (let channel = 0; channel < channels; channel++) for (let row = 0; row < height; row++) for (let column = 0; column < width; column++) visit(channel, row, column, at++);
}

function pixel(x: Image, channel: number, row: number, column: number, outside: number): number {
  if (row < 0 || column < 0 || row >= x.height || column >= x.width) return outside;
  return x.data[(channel * x.height + row) * x.width + column]!;
}
