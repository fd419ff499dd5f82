/**
 * The frame head: a linear layer on the trunk's features that tells the state of every input frame (where in the beat
 * it is) beside the window's label. Here: where it sits, which output is which frame, and its parameters.
 */
import { basicBlocks, type ParameterSpec, type ResNetSpec } from './resnet34.js';

/** Names of its parameters; no torchvision network has them. */
export const FRAME_WEIGHT = 'frames.weight';
export const FRAME_BIAS = 'frames.bias';

export interface FrameHead {
  /** States per frame. */
  states: number;
  /** Frames of the input. */
  width: number;
  /** The block whose output it reads: the last one before the last stage, `layer3.5` in a ResNet-34. */
  after: string;
  /** Channels and columns (positions in time) of that output. */
  channels: number;
  columns: number;
  /** K: frames that each column tells of. */
  framesPerColumn: number;
  /** Output k of column j is frame j·K + k − offset; where that is no frame of the window, the output means nothing. */
  offset: number;
}

/**
 * The head for windows of `width` frames.
 *
 * All kernels are odd and padded alike on both sides, so column j looks at the frames around j·K, and an offset of K/2
 * would centre it on those it tells of. Where the columns fill the window to the brim that leaves the last frames
 * without a column (188 frames, 12 columns of 16: frames 184–187), so the offset is the largest up to K/2 that leaves
 * none out (here 4). A column is then at most K/2 frames off its centre, and sees several hundred (547 in a ResNet-34).
 */
export function frameHead(spec: ResNetSpec, width: number, states: number): FrameHead {
  const stages = spec.widths.length;
  const block = basicBlocks(spec).findLast(({ name }) => stages === 1 || !name.startsWith(`layer${stages}.`));
  if (!block || !Number.isInteger(states) || states < 2) throw new Error(`a frame head of ${states} states on a network of ${stages} stages`);
  const halvings = 2 + Math.max(0, stages - 2);
  let columns = width;
  for (let i = 0; i < halvings; i++) columns = Math.ceil(columns / 2);
  const framesPerColumn = Math.ceil(width / columns);
  const offset = Math.min(Math.floor(framesPerColumn / 2), columns * framesPerColumn - width);
  return { states, width, after: block.name, channels: block.second.outChannels, columns, framesPerColumn, offset };
}

/** Its parameters, as a state dict holds them: weight [K·states, channels], bias [K·states]. */
export function frameParameters({ states, channels, framesPerColumn }: FrameHead): ParameterSpec[] {
  const outputs = framesPerColumn * states;
  return [
    { name: FRAME_WEIGHT, shape: [outputs, channels], kind: 'linearWeight', trainable: true },
    { name: FRAME_BIAS, shape: [outputs], kind: 'linearBias', trainable: true },
  ];
}
