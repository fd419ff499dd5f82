/**
 * Draws training windows: which clip, which stretch of it, how augmented. A batch depends on the seed and its number
 * alone, so that a resumed run continues exactly where an uninterrupted one would be.
 *
 * Length must not leak: within one kind of source every cell (data set × site × label) gets its segment lengths from
 * one common distribution, and a clip is drawn among those at least that long. A window that is tiled from a short
 * segment therefore says nothing about the label, however long the clips of each label are.
 */
import { StageError } from '../common/stage-error.js';
import { windowSpanSamples, type FeatureParams } from '../features/index.js';
import { synthesiseArtifact } from './artifact-synth.js';
import { augmentPcm, maskFeatures, resampleCubic, type Augmentation } from './augment.js';
import { segmentTargets, type SegmentSource } from './frame-targets.js';
import type { FrameClasses, StateInterval } from './heart-states.js';
import { ARTIFACT, labelSetName, type LabelSet } from './label-map.js';
import { Random } from './random.js';
import { windowFeaturiser } from './window-featuriser.js';

/** A recording ready to draw from. */
export interface Clip {
  /** Conditioned mono PCM at the model's rate. */
  pcm: Float32Array;
  dataset: string;
  site: string;
  set: LabelSet;
  /** Name of the set; default: in the heart model's words. */
  label?: string;
  group: string;
  /** Name for messages. */
  name: string;
  /** Heart states in the order of time, where they are known. */
  states?: readonly StateInterval[];
}

/** What the windows are made of and how often each source is drawn. */
export interface SamplerOptions {
  seed: number;
  batchSize: number;
  sampleRateHz: number;
  nMels: number;
  windowFrames: number;
  /** Samples that one window spans. */
  spanSamples: number;
  /** Model input (nMels × windowFrames) of PCM of at most spanSamples; shorter PCM is tiled as at a stream's end. */
  featurise: (pcm: Float32Array) => Float32Array;
  /** Heart states (or phases) of a segment's frames, windowFrames × states (see frame-targets.ts); absent: batches hold none. */
  targetsOf?: ((source: SegmentSource) => Float32Array) | undefined;
  augmentation: Augmentation;
  /**
   * Part of the draws per data set, relative to one another. Data sets not named get the mean of the named ones, and
   * more or less than that by the square root of their count among the others not named.
   */
  datasetShares: Readonly<Record<string, number>>;
  /** Exponent on a cell's count within its data set: 0 = all cells alike, 1 = as they come. */
  siteExponent: number;
  labelExponent: number;
  /** Part of the draws that are synthesised artifacts. */
  syntheticArtifactShare: number;
  /** Segment lengths in samples to draw from. */
  segmentLengths: readonly number[];
}

/** What shapes the draws, without functions: can be sent to a worker. The rest follows from the feature parameters. */
export interface SamplerSettings extends Omit<SamplerOptions, 'featurise' | 'targetsOf' | 'sampleRateHz' | 'nMels' | 'windowFrames' | 'spanSamples'> {
  /** Batches hold `frameTargets` of these; null: none. */
  frameClasses: FrameClasses | null;
}

/** A sampler of windows by these feature parameters. All three arguments can be cloned (`postMessage`). Throws TRAINING_EMPTY. */
export function createSampler(clips: readonly Clip[], params: FeatureParams, { frameClasses, ...settings }: SamplerSettings): WindowSampler {
  const { mel, windowFrames } = params;
  return new WindowSampler(clips, {
    ...settings,
    sampleRateHz: mel.sampleRateHz,
    nMels: mel.nMels,
    windowFrames,
    spanSamples: windowSpanSamples(params),
    featurise: windowFeaturiser(params),
    targetsOf: frameClasses ? (source) => segmentTargets(source, params, frameClasses) : undefined,
  });
}

/** One mini-batch. Row i is λ·a + (1 − λ)·b of two windows whose label sets are setsA[i] and setsB[i]. */
export interface Batch {
  /** n × nMels × windowFrames, or × width. */
  x: Float32Array;
  n: number;
  /** Frames per window where they are fewer than windowFrames (half-windows.ts). */
  width?: number;
  setsA: LabelSet[];
  setsB: LabelSet[];
  lambda: Float32Array;
  /**
   * n × windowFrames × states, mixed as x is: probabilities of the heart states of each frame, summing to the part of
   * the mix whose states are known (all zero: none). Only where the sampler was asked for it.
   */
  frameTargets?: Float32Array;
}

/** A drawn segment of sound. */
export interface Segment {
  pcm: Float32Array;
  set: LabelSet;
  /** Where it came from; a synthesised one came from nowhere. */
  source: SegmentSource | undefined;
  /** Group of the clip that it came from. */
  group: string | undefined;
}

/** One augmented window. */
export interface DrawnWindow {
  input: Float32Array;
  set: LabelSet;
  /** Group of its clip; undefined: synthesised. */
  group: string | undefined;
  /** windowFrames × states, where the sampler was asked for it. */
  targets?: Float32Array;
}

interface Cell {
  name: string;
  /** Longest first, so that those long enough are a prefix. */
  clips: Clip[];
  set: LabelSet;
}

export class WindowSampler {
  private readonly cells: Cell[];
  private readonly cumulative: number[];

  /** Throws TRAINING_EMPTY when there is nothing to draw from. */
  constructor(
    clips: readonly Clip[],
    private readonly options: SamplerOptions,
  ) {
    const usable = clips.filter((clip) => clip.set !== 0);
    if (usable.length === 0) {
      throw new StageError({
        code: 'TRAINING_EMPTY',
        stage: 'training',
        message: 'no labelled recording is left to train on',
        remedy: 'Check the folder and the chosen data sets; see the list of skipped recordings above.',
      });
    }
    this.cells = makeCells(usable);
    this.cumulative = cumulativeShares(this.cells, options);
  }

  /** Probability of each cell, for the log and the tests. */
  get shares(): { name: string; clips: number; share: number }[] {
    return this.cells.map((cell, i) => ({
      name: cell.name,
      clips: cell.clips.length,
      share: (this.cumulative[i] ?? 0) - (this.cumulative[i - 1] ?? 0),
    }));
  }

  /** Batch number `step`, from 0. */
  batch(step: number): Batch {
    const { batchSize, nMels, windowFrames, augmentation, seed } = this.options;
    const random = new Random(seed, step);
    const size = nMels * windowFrames;
    const drawn = Array.from({ length: batchSize }, () => this.draw(random));
    const batch: Batch = { x: new Float32Array(batchSize * size), n: batchSize, setsA: [], setsB: [], lambda: new Float32Array(batchSize) };
    const targetSize = drawn[0]?.targets?.length;
    if (targetSize !== undefined) batch.frameTargets = new Float32Array(batchSize * targetSize);
    const partner = random.shuffle(Array.from({ length: batchSize }, (_, i) => i));
    drawn.forEach((a, i) => {
      const b = drawn[partner[i] ?? i] ?? a;
      const lambda = augmentation.mixupAlpha > 0 ? random.symmetricBeta(augmentation.mixupAlpha) : 1;
      const major = Math.max(lambda, 1 - lambda);
      mix(batch.x.subarray(i * size, (i + 1) * size), a.input, b.input, major);
      if (batch.frameTargets && targetSize && a.targets && b.targets) mix(batch.frameTargets.subarray(i * targetSize, (i + 1) * targetSize), a.targets, b.targets, major);
      batch.setsA.push(a.set);
      batch.setsB.push(b.set);
      batch.lambda[i] = major;
    });
    return batch;
  }

  /** One augmented window, its label set, and the states of its frames. */
  draw(random: Random): DrawnWindow {
    const { sampleRateHz, featurise, targetsOf, nMels, windowFrames, augmentation } = this.options;
    const { pcm, set, source, group } = this.drawSegment(random);
    augmentPcm(pcm, sampleRateHz, random, augmentation);
    const input = featurise(pcm);
    maskFeatures(input, nMels, windowFrames, random, augmentation);
    return targetsOf ? { input, set, group, targets: targetsOf(source ?? { startSamples: 0, ratio: 1, lengthSamples: pcm.length }) } : { input, set, group };
  }

  /** One stretch of sound of at most spanSamples, time-stretched but not yet otherwise augmented. */
  drawSegment(random: Random): Segment {
    const { segmentLengths, spanSamples, sampleRateHz, syntheticArtifactShare, augmentation } = this.options;
    const wanted = Math.min(spanSamples, segmentLengths[random.integer(segmentLengths.length)] ?? spanSamples);
    if (random.chance(syntheticArtifactShare)) {
      return { pcm: synthesiseArtifact(wanted, sampleRateHz, random), set: ARTIFACT, source: undefined, group: undefined };
    }
    const cell = this.cells[random.fromCumulative(this.cumulative)] as Cell;
    const clip = drawClip(cell, wanted, random);
    const ratio = 1 + random.uniform(-augmentation.stretch, augmentation.stretch);
    return { ...cropStretched(clip, wanted, ratio, random), set: cell.set, group: clip.group };
  }
}

/** λ·a + (1 − λ)·b. */
function mix(into: Float32Array, a: Float32Array, b: Float32Array, lambda: number): void {
  for (let j = 0; j < into.length; j++) into[j] = lambda * (a[j] ?? 0) + (1 - lambda) * (b[j] ?? 0);
}

/** A random stretch of `wanted` samples after resampling by `ratio` (less ratio where the clip is too short for it). */
function cropStretched({ pcm, states }: Clip, wanted: number, ratio: number, random: Random): Pick<Segment, 'pcm' | 'source'> {
  const length = Math.min(wanted, pcm.length);
  const fitting = length < 2 ? 1 : Math.min(ratio, (pcm.length - 1) / (length - 1));
  const free = Math.max(0, pcm.length - length * fitting);
  const start = fitting === 1 ? Math.floor(random.next() * (free + 1)) : random.next() * free;
  return { pcm: resampleCubic(pcm, start, length, fitting), source: { states, startSamples: start, ratio: fitting, lengthSamples: length } };
}

/** A clip at least `wanted` long, each as likely; the longest where none is. */
function drawClip(cell: Cell, wanted: number, random: Random): Clip {
  let long = cell.clips.length;
  while (long > 1 && (cell.clips[long - 1] as Clip).pcm.length < wanted) long--;
  return cell.clips[random.integer(long)] as Clip;
}

function makeCells(clips: readonly Clip[]): Cell[] {
  const cells = new Map<string, Cell>();
  for (const clip of clips) {
    const name = `${clip.dataset}|${clip.site}|${clip.label ?? labelSetName(clip.set)}`;
    const cell = cells.get(name);
    if (cell) cell.clips.push(clip);
    else cells.set(name, { name, clips: [clip], set: clip.set });
  }
  for (const cell of cells.values()) cell.clips.sort((a, b) => b.pcm.length - a.pcm.length);
  return [...cells.values()];
}

/** Running sum of the cells' probabilities: data set, then site, then label. */
function cumulativeShares(cells: readonly Cell[], options: SamplerOptions): number[] {
  const bySet = datasetWeights(cells, options.datasetShares);
  const setTotal = [...bySet.values()].reduce((a, b) => a + b, 0);
  let sum = 0;
  return cells.map((cell) => {
    const siblings = cells.filter((other) => datasetOf(other) === datasetOf(cell));
    const bySite = weights(siblings, siteOf, options.siteExponent);
    const neighbours = siblings.filter((other) => siteOf(other) === siteOf(cell));
    const byLabel = weights(neighbours, (other) => other.name, options.labelExponent);
    const share = (weights_: Map<string, number>, key: string) => (weights_.get(key) ?? 0) / [...weights_.values()].reduce((a, b) => a + b, 0);
    sum += ((bySet.get(datasetOf(cell)) ?? 0) / setTotal) * share(bySite, siteOf(cell)) * share(byLabel, cell.name);
    return sum;
  });
}

/** Shares as given; data sets without one are scaled to the mean of those given, so that neither swamps the other. */
function datasetWeights(cells: readonly Cell[], shares: Readonly<Record<string, number>>): Map<string, number> {
  const bySet = weights(cells, datasetOf, 0.5);
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
  const names = [...bySet.keys()];
  const named = names.filter((name) => name in shares);
  if (named.length === 0) return bySet;
  const scale = mean(named.map((name) => shares[name] ?? 0)) / mean(names.filter((name) => !(name in shares)).map((name) => bySet.get(name) ?? 0));
  return new Map([...bySet].map(([name, root]) => [name, shares[name] ?? root * scale]));
}

function weights(cells: readonly Cell[], keyOf: (cell: Cell) => string, exponent: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const cell of cells) counts.set(keyOf(cell), (counts.get(keyOf(cell)) ?? 0) + cell.clips.length);
  return new Map([...counts].map(([key, count]) => [key, Math.pow(count, exponent)]));
}

function datasetOf(cell: Cell): string {
  return cell.clips[0]?.dataset ?? '';
}

function siteOf(cell: Cell): string {
  return cell.clips[0]?.site ?? '';
}
