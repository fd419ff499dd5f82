/**
 * The ResNet with basic blocks as data: which parameters it has, of which shape, and how its blocks are wired.
 * Names, shapes and the forward pass are torchvision's (`torchvision.models.resnet34` with `conv1` taking one
 * channel), so that weights travel both ways. Architecture: He et al., "Deep Residual Learning" (2015), table 1.
 */

/** Added to the variance in batch norm, as in torchvision. */
export const BATCH_NORM_EPS = 1e-5;

export interface ResNetSpec {
  /** Channels of the input, 1 for a spectrogram. */
  inputChannels: number;
  /** Channels after the 7×7/2 stem (pad 3), which a 3×3/2 max pool (pad 1) follows. */
  stemWidth: number;
  /** Basic blocks per stage. */
  blocks: number[];
  /** Channels per stage; every stage but the first halves both sides in its first block. */
  widths: number[];
  /** Outputs of the final linear layer. */
  labels: number;
  /** A second opinion by phase of the beat (phase-branch.ts); absent: none, and the network is torchvision's. */
  phase?: PhaseBranchSpec;
}

/** Size of the phase branch: see phase-branch.ts. */
export interface PhaseBranchSpec {
  /** Bands and frames of the input. */
  height: number;
  width: number;
  /** States of the frame head. */
  phases: number;
  /** Networks whose logits are averaged. */
  members: number;
  /** Hidden units of each. */
  hidden: number;
}

/** ResNet-34 with one input channel; `overrides` makes smaller ones, for tests. */
export function resnet34(labels: number, overrides: Partial<Omit<ResNetSpec, 'labels'>> = {}): ResNetSpec {
  return { inputChannels: 1, stemWidth: 64, blocks: [3, 4, 6, 3], widths: [64, 128, 256, 512], ...overrides, labels };
}

export type ParameterKind = 'convWeight' | 'bnScale' | 'bnShift' | 'bnMean' | 'bnVariance' | 'linearWeight' | 'linearBias';

export interface ParameterSpec {
  /** torchvision's name, e.g. `layer1.0.bn1.running_var`. */
  name: string;
  /** Convolutions OIHW, linear layers [out, in], batch norm [channels]. */
  shape: number[];
  kind: ParameterKind;
  /** False for the running statistics, which no optimiser touches. */
  trainable: boolean;
}

/** A convolution without bias and the batch norm behind it. */
export interface ConvBnSpec {
  /** e.g. `layer2.0.downsample.0`. */
  conv: string;
  /** e.g. `layer2.0.downsample.1`. */
  bn: string;
  inChannels: number;
  outChannels: number;
  kernel: number;
  stride: number;
  pad: number;
}

/** y = relu(second(relu(first(x))) + (downsample ? downsample(x) : x)); each of the three is convolution then batch norm. */
export interface BasicBlockSpec {
  /** e.g. `layer1.0`. */
  name: string;
  first: ConvBnSpec;
  second: ConvBnSpec;
  downsample: ConvBnSpec | null;
}

/** The stem: convolution 7×7/2 and batch norm; then relu and max pool 3×3/2, pad 1. */
export function stem(spec: ResNetSpec): ConvBnSpec {
  return { conv: 'conv1', bn: 'bn1', inChannels: spec.inputChannels, outChannels: spec.stemWidth, kernel: 7, stride: 2, pad: 3 };
}

/** All basic blocks in forward order. Behind the last: global average pool, then `fc`. */
export function basicBlocks(spec: ResNetSpec): BasicBlockSpec[] {
  const blocks: BasicBlockSpec[] = [];
  let inChannels = spec.stemWidth;
  spec.widths.forEach((width, stage) => {
    for (let index = 0; index < (spec.blocks[stage] ?? 0); index++) {
      blocks.push(basicBlock(`layer${stage + 1}.${index}`, inChannels, width, stage > 0 && index === 0 ? 2 : 1));
      inChannels = width;
    }
  });
  return blocks;
}

function basicBlock(name: string, inChannels: number, outChannels: number, stride: number): BasicBlockSpec {
  const needsProjection = stride !== 1 || inChannels !== outChannels;
  const projection = { conv: `${name}.downsample.0`, bn: `${name}.downsample.1`, inChannels, outChannels, kernel: 1, stride, pad: 0 };
  return {
    name,
    first: { conv: `${name}.conv1`, bn: `${name}.bn1`, inChannels, outChannels, kernel: 3, stride, pad: 1 },
    second: { conv: `${name}.conv2`, bn: `${name}.bn2`, inChannels: outChannels, outChannels, kernel: 3, stride: 1, pad: 1 },
    downsample: needsProjection ? projection : null,
  };
}

/** Every convolution with its batch norm, in torchvision's order. */
export function convolutions(spec: ResNetSpec): ConvBnSpec[] {
  const inBlocks = basicBlocks(spec).flatMap((block) => [block.first, block.second, ...(block.downsample ? [block.downsample] : [])]);
  return [stem(spec), ...inBlocks];
}

/** Channels that the final linear layer reads. */
export function featureChannels(spec: ResNetSpec): number {
  return basicBlocks(spec).at(-1)?.second.outChannels ?? spec.stemWidth;
}

/** Every parameter in the order of torchvision's state_dict (without its `num_batches_tracked` counters). */
export function parameters(spec: ResNetSpec): ParameterSpec[] {
  return [
    ...convolutions(spec).flatMap(convBnParameters),
    { name: 'fc.weight', shape: [spec.labels, featureChannels(spec)], kind: 'linearWeight', trainable: true },
    { name: 'fc.bias', shape: [spec.labels], kind: 'linearBias', trainable: true },
  ];
}

function convBnParameters({ conv, bn, inChannels, outChannels, kernel }: ConvBnSpec): ParameterSpec[] {
  const shape = [outChannels];
  return [
    { name: `${conv}.weight`, shape: [outChannels, inChannels, kernel, kernel], kind: 'convWeight', trainable: true },
    { name: `${bn}.weight`, shape, kind: 'bnScale', trainable: true },
    { name: `${bn}.bias`, shape, kind: 'bnShift', trainable: true },
    { name: `${bn}.running_mean`, shape, kind: 'bnMean', trainable: false },
    { name: `${bn}.running_var`, shape, kind: 'bnVariance', trainable: false },
  ];
}
