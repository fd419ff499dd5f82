/**
 * Floors: what trivial models reach by the same folds. A result near its floor says little.
 *
 * - majority: always the shares of the training fold.
 * - length: logistic regression on the clip's duration and its logarithm: a cue, no heart sound at all.
 * - meanSpectrum: logistic regression on the log-mel spectrum averaged over time: the timbre of device and place, no rhythm.
 * - site (where asked for): the shares of the site's clips in the training fold: which device or clinic, no sound at all.
 */
import { melSpectrogram, powerToDb, type FeatureParams } from '../features/index.js';
import type { LoadedRecording } from './audio-cache.js';
import { HEART, type LabelSet, type Vocabulary } from './label-map.js';
import { fitLogistic } from './logistic.js';
import { bestThreshold } from './metrics.js';
import { binaryScores, datasetClasses, type ClipPrediction } from './summary.js';
import type { Split } from './splits.js';

export type FloorName = 'majority' | 'length' | 'meanSpectrum';

export interface FloorOptions {
  /** Default: the heart model's. */
  vocabulary?: Vocabulary;
  /** Each floor's threshold is the best for its training fold; else the predictions name none. */
  ownThresholds?: boolean;
}

/** Out-of-fold predictions of each floor. A class's probability is put on its lowest label. */
export function floorPredictions(recordings: readonly LoadedRecording[], folds: readonly Split[], params: FeatureParams, options: FloorOptions = {}): Record<FloorName, ClipPrediction[]> {
  const { classes, outOfFold } = judge(recordings, folds, options);
  const spectra = recordings.map((r) => meanSpectrum(r.pcm, params));
  const lengths = recordings.map((r) => [r.durationS, Math.log(r.durationS)]);
  return {
    majority: outOfFold((_, labels) => always(shares(labels, classes.length))),
    length: outOfFold((train, labels) => regression(lengths, train, labels, classes.length)),
    meanSpectrum: outOfFold((train, labels) => regression(spectra, train, labels, classes.length)),
  };
}

/** Out-of-fold predictions from the clip's site alone; a site that training lacks gets the shares of all its clips. */
export function sitePredictions(recordings: readonly LoadedRecording[], folds: readonly Split[], options: FloorOptions = {}): ClipPrediction[] {
  const { classes, outOfFold } = judge(recordings, folds, options);
  const siteOf = (index: number) => recordings[index]?.site ?? '';
  return outOfFold((train, labels) => {
    const all = shares(labels, classes.length);
    const bySite = new Map([...new Set(train.map(siteOf))].map((site) => [site, shares(labels.filter((_, i) => siteOf(train[i] ?? -1) === site), classes.length)]));
    return (index) => bySite.get(siteOf(index)) ?? all;
  });
}

/** Mel decibels averaged over time, one value per band. */
export function meanSpectrum(pcm: Float32Array, params: FeatureParams): number[] {
  const { data, frames } = melSpectrogram(pcm, params.mel);
  const decibels = powerToDb(data, params.db);
  return Array.from({ length: params.mel.nMels }, (_, band) => {
    let sum = 0;
    for (let t = 0; t < frames; t++) sum += decibels[band * frames + t] ?? 0;
    return sum / frames;
  });
}

/** Class probabilities of recording number `index`. */
type Predictor = (index: number) => ArrayLike<number>;

interface Judge {
  classes: LabelSet[];
  /** Fits by each fold's training part, predicts its validation part. */
  outOfFold(fit: (training: number[], labels: number[]) => Predictor): ClipPrediction[];
}

function judge(recordings: readonly LoadedRecording[], folds: readonly Split[], { vocabulary = HEART, ownThresholds = false }: FloorOptions): Judge {
  const classes = datasetClasses(recordings.map((r) => r.set));
  const outOfFold: Judge['outOfFold'] = (fit) =>
    folds.flatMap((fold) => {
      const training = fold.training.filter((index) => classes.includes(recordings[index]?.set ?? 0));
      const predict = fit(training, training.map((index) => classes.indexOf(recordings[index]?.set ?? 0)));
      const predictions = (indices: readonly number[]) => indices.map((index) => toPrediction(recordings[index] as LoadedRecording, predict(index), classes, vocabulary));
      const judged = predictions(fold.validation);
      if (!ownThresholds) return judged;
      const threshold = thresholdOn(predictions(training), vocabulary);
      return judged.map((prediction) => ({ ...prediction, threshold }));
    });
  return { classes, outOfFold };
}

/** The threshold on P(positive | positive or normal) with the largest (sensitivity + specificity) / 2; .5 where one of both is missing. */
export function thresholdOn(predictions: readonly ClipPrediction[], vocabulary = HEART): number {
  const binary = binaryScores(predictions, vocabulary);
  const positive = binary.map((item) => item.positive);
  return positive.includes(true) && positive.includes(false) ? bestThreshold(positive, binary.map((item) => item.score)) : 0.5;
}

function toPrediction(recording: LoadedRecording, classProbabilities: ArrayLike<number>, classes: readonly LabelSet[], { labels }: Vocabulary): ClipPrediction {
  const probabilities = labels.map((_, label) => {
    const index = classes.findIndex((set) => 31 - Math.clz32(set & -set) === label);
    return index < 0 ? 0 : (classProbabilities[index] ?? 0);
  });
  const { file, dataset, site, group, label, set, durationS } = recording;
  return { file, dataset, site, group, label, set, durationS, windows: 0, probabilities };
}

function always(values: number[]): Predictor {
  return () => values;
}

function shares(labels: readonly number[], classes: number): number[] {
  return Array.from({ length: classes }, (_, k) => labels.filter((label) => label === k).length / labels.length);
}

function regression(features: readonly number[][], training: readonly number[], labels: readonly number[], classes: number): Predictor {
  const model = fitLogistic(training.map((index) => features[index] ?? []), labels, classes, { l2: 0.01 });
  return (index) => model.predict(features[index] ?? []);
}
