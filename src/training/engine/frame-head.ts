/**
 * The frame head: a linear layer on the trunk's features that tells the state of every input frame (S1, systole, S2,
 * diastole) beside the window's label, so that the trunk learns where in the beat it is. Here: where it sits, which
 * output is which frame, and its loss.
 */
import { basicBlocks, type ParameterSpec, type ResNetSpec } from '../../inference/resnet34.js';
import { softmax } from './loss.js';

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

/**
 * Cross-entropy −Σ_s t_s·log p_s over the frames, divided by the sum of all targets, so that unknown frames (all-zero
 * rows) neither pull nor dilute.
 * @param logits n × columns × K × states.
 * @param targets n × width × states, ≥ 0; a row may sum to less than one.
 * @returns the mean loss in nats and its gradient by the logits; null where no frame has a target.
 */
export function frameLoss(logits: Float32Array, n: number, head: FrameHead, targets: Float32Array): { loss: number; gradient: Float32Array } | null {
  const { states } = head;
  const total = targets.reduce((sum, target) => sum + target, 0);
  if (!(total > 0)) return null;
  const gradient = new Float32Array(logits.length);
  const p = new Float64Array(states);
  let loss = 0;
  forEachFrame(head, n, (at, from) => {
    let mass = 0;
    for (let s = 0; s < states; s++) mass += targets[at + s]!;
    if (mass === 0) return;
    softmax(logits, from, p);
    for (let s = 0; s < states; s++) {
      const target = targets[at + s]!;
      if (target > 0) loss -= target * Math.log(Math.max(p[s]!, 1e-30));
      gradient[from + s] = (mass * p[s]! - target) / total;
    }
  });
  return { loss: loss / total, gradient };
}

/** @param logits n × columns × K × states. @returns n × width × states probabilities. */
export function frameProbabilities(logits: Float32Array, n: number, head: FrameHead): Float32Array {
  const probabilities = new Float32Array(n * head.width * head.states);
  const p = new Float64Array(head.states);
  forEachFrame(head, n, (at, from) => {
    softmax(logits, from, p);
    probabilities.set(p, at);
  });
  return probabilities;
}

/** Calls back with where a frame's states start in n × width × states and in the head's outputs. */
function forEachFrame({ states, width, columns, framesPerColumn, offset }: FrameHead, n: number, visit: (at: number, from: number) => void): void {
  for (let row = 0; row < n; row++) {
    const start = row * columns * framesPerColumn + offset;
    for (let frame = 0; frame < width; frame++) visit((row * width + frame) * states, (start + frame) * states);
  }
}
