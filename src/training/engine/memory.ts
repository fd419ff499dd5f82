/** How much memory training takes, estimated before it starts: Linux grants more than there is and kills later. */
import { freemem } from 'node:os';
import { StageError } from '../../common/stage-error.js';
import { basicBlocks, type ConvBnSpec, type ResNetSpec, stem } from '../../inference/resnet34.js';
import { gigabytes } from '../format.js';
import type { Layout } from './weights.js';

/** TensorFlow's library, Node and oneDNN's scratch memory, as measured. */
const BASE_BYTES = 450e6;
/** Weights, average, two moments, gradients, and the copy that a checkpoint or a read makes. */
const COPIES = 6;

/**
 * Bytes that a training step of n windows takes, the whole process. Measured peaks for a ResNet-34 in float32, with
 * this estimate in brackets: 16 × 64 × 188 1.09 GB (1.09), 64 × 128 × 128 1.67 (1.65), 4 × 512 × 512 1.67 (1.65).
 * A frame head counts by its parameters, which are the layout's; what it keeps per window is too little to matter.
 */
export function trainingBytes(layout: Layout, spec: ResNetSpec, [n, height, width]: readonly [number, number, number], elementBytes: number): number {
  return BASE_BYTES + COPIES * 4 * layout.trainableCount + n * elementBytes * activationCount(spec, height, width);
}

/** Values per window that are kept for the backward pass: what each convolution takes in and gives out. */
function activationCount(spec: ResNetSpec, height: number, width: number): number {
  let [h, w] = [halved(height), halved(width)];
  // The stem's output, and the pool's padded input and indices, which are float32 and int64 whatever the precision.
  let count = h * w * stem(spec).outChannels * 3;
  [h, w] = [halved(h), halved(w)];
  for (const { first, second, downsample } of basicBlocks(spec)) {
    const units: ConvBnSpec[] = [first, second, ...(downsample ? [downsample] : [])];
    if (first.stride === 2) [h, w] = [halved(h), halved(w)];
    for (const { outChannels } of units) count += 2 * h * w * outChannels;
  }
  return count;
}

const halved = (size: number) => Math.ceil(size / 2);

/** Bytes that this process may still take, container limits included. */
export function availableBytes(): number {
  return process.availableMemory?.() ?? freemem();
}

/** Throws TRAINING_OUT_OF_MEMORY. */
export function requireMemory(needed: number, n: number, available = availableBytes() + process.memoryUsage.rss()): void {
  if (needed <= available) return;
  throw new StageError({
    code: 'TRAINING_OUT_OF_MEMORY',
    stage: 'training',
    message: `a step of ${n} windows takes about ${gigabytes(needed)} GB of memory, ${gigabytes(available)} GB are there`,
    remedy: 'Train with a smaller --batch-size, or close other programs.',
  });
}
