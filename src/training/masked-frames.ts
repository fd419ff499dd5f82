/**
 * Self-supervised pre-training: stretches of a window are hidden, and a frame head tells from the sound around them what
 * kind of frame each hidden one was. No label is used. The idea is HuBERT's (Hsu et al. 2021), with its first step's
 * targets: clusters of the frames themselves, found by k-means beforehand.
 */
import { Random } from './random.js';
import type { Batch } from './sampler.js';

/** Kinds of frame that are told apart. */
export const FRAME_KINDS = 48;
/** A frame is described by the means of so many groups of bands, over itself and so many frames to either side. */
const GROUPS = 16;
const REACH = 2;
/** Part of the frames that is hidden, in stretches of so many frames (100 to 400 ms of the heart model's). */
const HIDDEN_SHARE = 0.45;
const STRETCH = [6, 24] as const;
const ITERATIONS = 25;
/** Every fifth frame: neighbours are much alike. */
const FRAME_STRIDE = 5;

/** Centres of the kinds of frame, FRAME_KINDS × GROUPS. */
export type Codebook = Float32Array;

interface Size {
  nMels: number;
  windowFrames: number;
}

/** k-means over frames of these batches: the same for the same seed and batches. */
export function makeCodebook(batches: Iterable<Batch>, size: Size, seed: number): Codebook {
  const points: Float32Array[] = [];
  for (const { x, n } of batches) {
    for (let row = 0; row < n; row++) {
      const described = describeFrames(windowOf(x, row, size), size);
      for (let t = 0; t < size.windowFrames; t += FRAME_STRIDE) points.push(described.slice(t * GROUPS, (t + 1) * GROUPS));
    }
  }
  const random = new Random(seed, 77);
  const someone = () => points[random.integer(points.length)] as Float32Array;
  const centres = new Float32Array(FRAME_KINDS * GROUPS);
  for (let kind = 0; kind < FRAME_KINDS; kind++) centres.set(someone(), kind * GROUPS);
  for (let i = 0; i < ITERATIONS; i++) moveCentres(centres, points, someone);
  return centres;
}

/** Each centre to the mean of the points that are nearest to it; one without any starts again at a random point. */
function moveCentres(centres: Codebook, points: readonly Float32Array[], someone: () => Float32Array): void {
  const sums = new Float64Array(centres.length);
  const counts = new Float64Array(FRAME_KINDS);
  for (const point of points) {
    const kind = kindOf(centres, point, 0);
    counts[kind]!++;
    for (let g = 0; g < GROUPS; g++) sums[kind * GROUPS + g]! += point[g]!;
  }
  counts.forEach((count, kind) => {
    if (count === 0) centres.set(someone(), kind * GROUPS);
    else for (let g = 0; g < GROUPS; g++) centres[kind * GROUPS + g] = sums[kind * GROUPS + g]! / count;
  });
}

/**
 * Hides frames of every window of the batch (set to 0, the mean of normalised features) and sets `frameTargets`, n ×
 * windowFrames × FRAME_KINDS, to the kinds of the hidden ones; of the others nothing is asked. Changes the batch; what is
 * hidden depends on seed and step alone. Windows that are mixed (mixup) are described as they are.
 */
export function hideFrames(batch: Batch, codebook: Codebook, size: Size, seed: number, step: number): Batch {
  const { nMels, windowFrames } = size;
  const random = new Random(seed, 99, step);
  const frameTargets = new Float32Array(batch.n * windowFrames * FRAME_KINDS);
  for (let row = 0; row < batch.n; row++) {
    const window = windowOf(batch.x, row, size);
    const described = describeFrames(window, size);
    hiddenFrames(windowFrames, random).forEach((hidden, t) => {
      if (!hidden) return;
      frameTargets[(row * windowFrames + t) * FRAME_KINDS + kindOf(codebook, described, t * GROUPS)] = 1;
      for (let band = 0; band < nMels; band++) window[band * windowFrames + t] = 0;
    });
  }
  return { ...batch, frameTargets };
}

/** Which frames are hidden: random stretches until their share is reached. */
function hiddenFrames(frames: number, random: Random): boolean[] {
  const hidden = new Array<boolean>(frames).fill(false);
  let count = 0;
  while (count < HIDDEN_SHARE * frames) {
    const length = Math.min(frames, STRETCH[0] + random.integer(STRETCH[1] - STRETCH[0] + 1));
    const start = random.integer(frames - length + 1);
    for (let t = start; t < start + length; t++) {
      if (!hidden[t]) count++;
      hidden[t] = true;
    }
  }
  return hidden;
}

/** windowFrames × GROUPS. */
function describeFrames(window: Float32Array, { nMels, windowFrames }: Size): Float32Array {
  const perGroup = nMels / GROUPS;
  const groups = new Float32Array(windowFrames * GROUPS);
  for (let band = 0; band < nMels; band++) {
    const group = Math.floor(band / perGroup);
    for (let t = 0; t < windowFrames; t++) groups[t * GROUPS + group]! += window[band * windowFrames + t]! / perGroup;
  }
  const described = new Float32Array(groups.length);
  for (let t = 0; t < windowFrames; t++) {
    const [from, to] = [Math.max(0, t - REACH), Math.min(windowFrames - 1, t + REACH)];
    for (let u = from; u <= to; u++) for (let g = 0; g < GROUPS; g++) described[t * GROUPS + g]! += groups[u * GROUPS + g]! / (to - from + 1);
  }
  return described;
}

/** Index of the centre that is nearest to the description at `at`. */
function kindOf(centres: Codebook, described: Float32Array, at: number): number {
  let [best, nearest] = [0, Infinity];
  for (let kind = 0; kind < FRAME_KINDS; kind++) {
    let distance = 0;
    for (let g = 0; g < GROUPS; g++) distance += (described[at + g]! - centres[kind * GROUPS + g]!) ** 2;
    if (distance < nearest) [best, nearest] = [kind, distance];
  }
  return best;
}

function windowOf(x: Float32Array, row: number, { nMels, windowFrames }: Size): Float32Array {
  return x.subarray(row * nMels * windowFrames, (row + 1) * nMels * windowFrames);
}
