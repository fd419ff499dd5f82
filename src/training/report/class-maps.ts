/**
 * Class-activation maps of whole clips, by the weights that judged them: where in the spectrogram the network found what
 * speaks for a label. For a network that ends in average pooling and one linear layer they are Grad-CAM's, up to scale.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { offlineWindows, type FeatureParams } from '../../features/index.js';
import type { ResNetSpec } from '../../inference/resnet34.js';
import { readSafetensors } from '../../inference/safetensors.js';
import { clipPicture, networkInput, resizeTo } from '../article/images.js';
import type { LoadedRecording } from '../audio-cache.js';
import { openClassMapper, type ClassMapper, type ClassMaps } from '../engine/class-mapper.js';
import { loadTensorFlow, tensorFlowStatus } from '../engine/tensorflow.js';

/** Weights on disk, and the clips that they judged. */
export interface Judge {
  weights: string;
  /** Absent: every clip. */
  files?: ReadonlySet<string>;
}

/** How a run's maps are made. */
export interface MapPlan {
  judges: readonly Judge[];
  spec: ResNetSpec;
  /** Names of the network's outputs, in their order. */
  labels: readonly string[];
  /** Side of the picture of the whole clip that the network sees; absent: it sees sliding windows. */
  imageSize?: number;
  /** For people: what one cell of the last feature map covers. */
  cell: string;
}

/** One judge per fold that the run's division.json lists. @param weights of a phase, e.g. `fold-1`. */
export function foldJudges(folder: string, weights: (phase: string) => string): Judge[] {
  const division = join(folder, 'division.json');
  const { folds } = existsSync(division) ? (JSON.parse(readFileSync(division, 'utf8')) as { folds: string[][] }) : { folds: [] };
  return folds.map((files, i) => ({ weights: weights(`fold-${i + 1}`), files: new Set(files) }));
}

/** What a cell of the last feature map covers of a sliding window, in words. */
export function mapCell(spec: ResNetSpec, { mel, windowFrames }: FeatureParams): string {
  const shrink = 4 * 2 ** (spec.widths.length - 1);
  const seconds = (windowFrames * mel.hopLength) / mel.sampleRateHz / Math.ceil(windowFrames / shrink);
  return `${seconds.toFixed(1)} s and ${Math.round(mel.nMels / Math.ceil(mel.nMels / shrink))} of ${mel.nMels} bands (smoother in time here, since overlapping windows are averaged)`;
}

/** Maps of a clip by the name of the label, each nMels × frames, highest band first, like its picture. */
export type ClipMaps = ReadonlyMap<string, Float32Array>;

/** By file; clips whose weights have gone are left out, and all of them without TensorFlow. */
export async function classMaps(recordings: readonly LoadedRecording[], params: FeatureParams, plan: MapPlan): Promise<Map<string, ClipMaps>> {
  const found = new Map<string, ClipMaps>();
  if (!tensorFlowStatus().installed) return found;
  for (const { weights, files } of plan.judges) {
    const judged = recordings.filter(({ file }) => !found.has(file) && (files?.has(file) ?? true));
    if (judged.length === 0 || !existsSync(weights)) continue;
    const mapper = openClassMapper(loadTensorFlow(), plan.spec, (await readSafetensors(weights)).tensors);
    try {
      for (const { file, pcm } of judged) {
        const maps = plan.imageSize === undefined ? windowedMaps(pcm, params, mapper, plan.labels.length) : pictureMaps(pcm, params, mapper, plan.imageSize);
        found.set(file, new Map(plan.labels.map((label, c) => [label, maps[c] as Float32Array])));
      }
    } finally {
      mapper.dispose();
    }
  }
  return found;
}

const BATCH = 8;

/** Mean over the windows that cover a place; 0 where none does (less than a hop at the end). */
export function windowedMaps(pcm: Float32Array, params: FeatureParams, mapper: Pick<ClassMapper, 'maps'>, labels: number): Float32Array[] {
  const { mel, windowFrames, windowHopFrames } = params;
  // The picture has a column per multiple of the hop.
  const firstColumn = mel.center ? 0 : Math.round(mel.nFft / 2 / mel.hopLength);
  const clip = { height: mel.nMels, width: 1 + Math.floor(pcm.length / mel.hopLength) };
  const sums = Array.from({ length: labels }, () => new Float32Array(clip.height * clip.width));
  const counts = new Float32Array(clip.width);
  const windows = Array.from(offlineWindows(pcm, params));
  const large = new Float32Array(mel.nMels * windowFrames);
  for (let from = 0; from < windows.length; from += BATCH) {
    const some = windows.slice(from, from + BATCH);
    const x = new Float32Array(some.length * large.length);
    some.forEach(({ input }, i) => x.set(input, i * large.length));
    const maps = mapper.maps(x, [some.length, mel.nMels, windowFrames]);
    some.forEach((_, i) => {
      // A clip shorter than a window has one, which repeats the frames that it has.
      const columns = Array.from({ length: windowFrames }, (__, t) => firstColumn + (from + i) * windowHopFrames + (t % clip.width));
      for (const column of columns) if (column < clip.width) counts[column]!++;
      sums.forEach((sum, c) => {
        resizeTo(mapOf(maps, i, c), { height: mel.nMels, width: windowFrames }, large);
        addFlipped(sum, clip, large, columns);
      });
    });
  }
  for (const sum of sums) for (let i = 0; i < sum.length; i++) sum[i]! /= Math.max(1, counts[i % clip.width]!);
  return sums;
}

/** Adds a window's map, lowest band first, to the clip's, highest band first. */
function addFlipped(sum: Float32Array, { height, width }: { height: number; width: number }, map: Float32Array, columns: readonly number[]): void {
  for (let band = 0; band < height; band++) {
    columns.forEach((column, t) => {
      if (column < width) sum[(height - 1 - band) * width + column]! += map[band * columns.length + t]!;
    });
  }
}

function pictureMaps(pcm: Float32Array, params: FeatureParams, mapper: ClassMapper, size: number): Float32Array[] {
  const picture = clipPicture(pcm, params);
  const maps = mapper.maps(networkInput([picture], size), [1, size, size]);
  return Array.from({ length: maps.labels }, (_, c) => {
    const out = new Float32Array(picture.pixels.length);
    resizeTo(mapOf(maps, 0, c), picture, out);
    return out;
  });
}

function mapOf({ values, height, width, labels }: ClassMaps, row: number, label: number): { pixels: Float32Array; height: number; width: number } {
  const places = height * width;
  return { pixels: Float32Array.from({ length: places }, (_, i) => values[(row * places + i) * labels + label]!), height, width };
}
