/**
 * Floors: what trivial models reach by the same folds. A result near its floor says little.
 *
 * - majority: always the shares of the training fold.
 * - length: logistic regression on the clip's duration and its logarithm: a cue, no heart sound at all.
 * - meanSpectrum: logistic regression on the log-mel spectrum averaged over time: the timbre of device and place, no rhythm.
 */
import { melSpectrogram, powerToDb, type FeatureParams } from '../features/index.js';
import type { LoadedRecording } from './audio-cache.js';
import { LABELS, type LabelSet } from './label-map.js';
import { fitLogistic } from './logistic.js';
import { datasetClasses, type ClipPrediction } from './summary.js';
import type { Split } from './splits.js';

export type FloorName = 'majority' | 'length' | 'meanSpectrum';

/** Out-of-fold predictions of each floor. A class's probability is put on its lowest label. */
export function floorPredictions(recordings: readonly LoadedRecording[], folds: readonly Split[], params: FeatureParams): Record<FloorName, ClipPrediction[]> {
  const classes = datasetClasses(recordings.map((r) => r.set));
  const spectra = recordings.map((r) => meanSpectrum(r.pcm, params));
  const lengths = recordings.map((r) => [r.durationS, Math.log(r.durationS)]);
  return {
    majority: outOfFold(recordings, folds, classes, (_, labels) => always(shares(labels, classes.length))),
    length: outOfFold(recordings, folds, classes, (train, labels) => regression(lengths, train, labels, classes.length)),
    meanSpectrum: outOfFold(recordings, folds, classes, (train, labels) => regression(spectra, train, labels, classes.length)),
  };
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

function outOfFold(
  recordings: readonly LoadedRecording[],
  folds: readonly Split[],
  classes: readonly LabelSet[],
  fit: (training: number[], labels: number[]) => Predictor,
): ClipPrediction[] {
  return folds.flatMap((fold) => {
    const training = fold.training.filter((index) => classes.includes(recordings[index]?.set ?? 0));
    const predict = fit(training, training.map((index) => classes.indexOf(recordings[index]?.set ?? 0)));
    return fold.validation.map((index) => toPrediction(recordings[index] as LoadedRecording, predict(index), classes));
  });
}

function toPrediction(recording: LoadedRecording, classProbabilities: ArrayLike<number>, classes: readonly LabelSet[]): ClipPrediction {
  const probabilities = LABELS.map((_, label) => {
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
