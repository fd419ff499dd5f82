/**
 * From probabilities per clip to the figures of a data set, with 95 % intervals by subject.
 *
 * Classes of a data set are its distinct label sets (PhysioNet has {normal} and {murmur, extrasystole}); a clip's
 * probability of a class is the sum over its set. Labels that the data set has no class for stay as further, always
 * wrong, choices. Labels are the heart model's unless another vocabulary is given. Clips whose set overlaps another class (PASCAL A's extrahls: "not artifact") count nowhere but in n.
 */
import { bootstrapByGroup, type Interval } from './bootstrap.js';
import { HEART, labelSetName, type LabelSet, type Vocabulary } from './label-map.js';
import * as metrics from './metrics.js';

/** What a model said of one clip. */
export interface ClipPrediction {
  file: string;
  dataset: string;
  site: string;
  group: string;
  /** Label as in the manifest. */
  label: string;
  set: LabelSet;
  durationS: number;
  windows: number;
  /** Mean probability over the clip's windows, one per label. */
  probabilities: number[];
  /** Threshold on P(positive | positive or normal) where the clip's fold has one of its own. */
  threshold?: number;
}

/** A model's thresholds on P(positive | positive or normal), by what a data set calls positive. */
export interface SignThresholds {
  /** Where it is a murmur. */
  murmur: number;
  /** Where it is everything abnormal together. */
  abnormal: number;
}

/** Fixed beforehand, for what has nothing to set them by. */
export const ONE_HALF: SignThresholds = { murmur: 0.5, abnormal: 0.5 };

/** Of a model made before murmur had a threshold of its own, that of abnormal. */
export function signThresholds({ murmur, abnormal }: { murmur?: number | undefined; abnormal: number }): SignThresholds {
  return { murmur: murmur ?? abnormal, abnormal };
}

/** Figures of one class. */
export interface ClassFigures {
  name: string;
  clips: number;
  recall: Interval;
  precision: Interval;
  f1: Interval;
  /** Of this class against all others. */
  auroc: Interval;
}

/** Figures of one data set (or a part of it). */
export interface DatasetSummary {
  /** Labelled clips. */
  n: number;
  /** Those with exactly one class, which accuracy and F1 count. */
  scored: number;
  subjects: number;
  accuracy: Interval;
  balancedAccuracy: Interval;
  /** Over the data set's classes. */
  macroF1: Interval;
  /** Murmur (or abnormal) against normal; null when the data set lacks either. */
  auroc: Interval | null;
  /** (sensitivity + specificity) / 2 of the same scores at the model's threshold for them. */
  macc: Interval | null;
  calibrationError: number;
  classes: ClassFigures[];
  confusion: { actual: string[]; predicted: string[]; counts: number[][] };
  /** Accuracy among the most confident part. */
  coverage: { coverage: number; accuracy: number; confidence: number }[];
}

/** One clip in terms of the data set's classes. */
export interface Item {
  prediction: ClipPrediction;
  /** Index of its class, −1 where its set overlaps another class. */
  actual: number;
  /** Index among the classes, or beyond them among the labels that the set has no class for. */
  choice: number;
  confidence: number;
  /** Probability per class. */
  classes: number[];
  group: string;
  /** True: murmur or abnormal; false: normal; null: neither. */
  positive: boolean | null;
  /** P(positive | positive or normal), for ROC and threshold. */
  ranking: number;
}

const coverages = [1, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5];

/** Classes of a data set in label order; sets that contain another class are left out. */
export function datasetClasses(sets: readonly LabelSet[]): LabelSet[] {
  const distinct = [...new Set(sets)].filter((set) => set !== 0);
  return distinct.filter((set) => !distinct.some((other) => other !== set && (other & set) === other)).sort((a, b) => a - b);
}

/** @param thresholds the model's, for clips that have none of their own. */
export function summariseDataset(predictions: readonly ClipPrediction[], thresholds: SignThresholds, seed: number, resamples = 1000, vocabulary = HEART): DatasetSummary {
  const labelled = predictions.filter((p) => p.set !== 0);
  const classes = datasetClasses(labelled.map((p) => p.set));
  const items = labelled.map((p) => toItem(p, classes, vocabulary));
  const scored = items.filter((item) => item.actual >= 0);
  const binary = items.filter((item) => item.positive !== null);
  const threshold = thresholds[signOf(positiveSet(classes, vocabulary), vocabulary)];
  const hasBoth = binary.some((item) => item.positive) && binary.some((item) => !item.positive);
  const over = (from: readonly Item[], statistic: (drawn: Item[]) => number) =>
    bootstrapByGroup(from.map((item) => item.group), (drawn) => statistic(drawn.map((i) => from[i] as Item)), seed, resamples);
  const correct = scored.map((item) => item.actual === item.choice);
  const confidence = scored.map((item) => item.confidence);
  return {
    n: labelled.length,
    scored: scored.length,
    subjects: new Set(labelled.map((p) => p.group)).size,
    accuracy: over(scored, (drawn) => metrics.accuracy(actual(drawn), choices(drawn))),
    balancedAccuracy: over(scored, (drawn) => metrics.balancedAccuracy(actual(drawn), choices(drawn))),
    macroF1: over(scored, (drawn) => metrics.macroF1(actual(drawn), choices(drawn), classes.map((_, i) => i))),
    auroc: hasBoth ? over(binary, (drawn) => metrics.auroc(positives(drawn), drawn.map((item) => item.ranking))) : null,
    macc: hasBoth
      ? over(binary, (drawn) => metrics.meanSensitivitySpecificity(positives(drawn), drawn.map((item) => item.ranking - (item.prediction.threshold ?? threshold)), 0))
      : null,
    calibrationError: metrics.expectedCalibrationError(confidence, correct),
    classes: classes.map((set, index) => classFigures(labelSetName(set, vocabulary.labels), index, scored, over)),
    confusion: confusion(scored, classes, vocabulary),
    coverage: coverages.map((coverage) => ({ coverage, ...metrics.accuracyAtCoverage(confidence, correct, coverage) })),
  };
}

/** Labelled clips in terms of their classes; `names` are the classes, then the labels that the set has no class for. */
export function judgedItems(predictions: readonly ClipPrediction[], vocabulary = HEART): { classes: number; names: string[]; items: Item[] } {
  const labelled = predictions.filter((p) => p.set !== 0);
  const classes = datasetClasses(labelled.map((p) => p.set));
  return { classes: classes.length, names: [...names(classes, vocabulary), ...uncovered(classes, vocabulary)], items: labelled.map((p) => toItem(p, classes, vocabulary)) };
}

function names(classes: readonly LabelSet[], { labels }: Vocabulary): string[] {
  return classes.map((set) => labelSetName(set, labels));
}

/** Labels that no class covers. */
function uncovered(classes: readonly LabelSet[], { labels }: Vocabulary): string[] {
  const covered = classes.reduce((all, set) => all | set, 0);
  return labels.filter((_, i) => (covered & (1 << i)) === 0);
}


/** Sum of the probabilities in a set. */
export function massOf(probabilities: ArrayLike<number>, set: LabelSet): number {
  let mass = 0;
  for (let i = 0; i < probabilities.length; i++) if ((set >> i) & 1) mass += probabilities[i] ?? 0;
  return mass;
}

/** True for murmur or abnormal, false for normal, null for everything else. */
export function isPositive(set: LabelSet, { normal, abnormal, sign } = HEART): boolean | null {
  if (set === normal) return false;
  return (set & sign) !== 0 && (set & abnormal) === set ? true : null;
}

/** All labels of a data set's positive classes; those of `sign` where it has none. */
function positiveSet(classes: readonly LabelSet[], vocabulary: Vocabulary): LabelSet {
  return classes.filter((set) => isPositive(set, vocabulary) === true).reduce((all, set) => all | set, 0) || vocabulary.sign;
}

/** Which threshold a data set with these positive labels is judged at. */
function signOf(positive: LabelSet, { sign }: Vocabulary): keyof SignThresholds {
  return positive === sign ? 'murmur' : 'abnormal';
}

/** The threshold that predictions of one data set can set. */
export function signOfDataset(predictions: readonly ClipPrediction[], vocabulary = HEART): keyof SignThresholds {
  return signOf(positiveSet(datasetClasses(predictions.map((p) => p.set)), vocabulary), vocabulary);
}

function positiveScore(probabilities: ArrayLike<number>, positive: LabelSet, { normal }: Vocabulary): number {
  const mass = massOf(probabilities, positive);
  return mass / (mass + massOf(probabilities, normal) + 1e-12);
}

/** Truth and P(positive | positive or normal) of one data set's clips that are either. */
export function binaryScores(predictions: readonly ClipPrediction[], vocabulary = HEART): { positive: boolean; score: number }[] {
  const labels = positiveSet(datasetClasses(predictions.map((p) => p.set)), vocabulary);
  return predictions.flatMap(({ set, probabilities }) => {
    const positive = isPositive(set, vocabulary);
    return positive === null ? [] : [{ positive, score: positiveScore(probabilities, labels, vocabulary) }];
  });
}

function toItem(p: ClipPrediction, classes: readonly LabelSet[], vocabulary: Vocabulary): Item {
  const covered = classes.reduce((all, set) => all | set, 0);
  const others = vocabulary.labels.map((_, i) => 1 << i).filter((bit) => (covered & bit) === 0);
  const masses = [...classes, ...others].map((set) => massOf(p.probabilities, set));
  const choice = metrics.argMax(masses);
  return {
    prediction: p,
    actual: classes.indexOf(p.set),
    choice,
    confidence: masses[choice] ?? 0,
    classes: masses.slice(0, classes.length),
    group: p.group,
    positive: isPositive(p.set, vocabulary),
    ranking: positiveScore(p.probabilities, positiveSet(classes, vocabulary), vocabulary),
  };
}

function classFigures(name: string, index: number, scored: readonly Item[], over: (from: readonly Item[], statistic: (drawn: Item[]) => number) => Interval): ClassFigures {
  return {
    name,
    clips: scored.filter((item) => item.actual === index).length,
    recall: over(scored, (drawn) => metrics.recall(actual(drawn), choices(drawn), index)),
    precision: over(scored, (drawn) => metrics.recall(choices(drawn), actual(drawn), index)),
    f1: over(scored, (drawn) => metrics.f1(actual(drawn), choices(drawn), index)),
    auroc: over(scored, (drawn) => metrics.auroc(drawn.map((item) => item.actual === index), drawn.map((item) => item.classes[index] ?? 0))),
  };
}

function confusion(scored: readonly Item[], classes: readonly LabelSet[], vocabulary: Vocabulary): DatasetSummary['confusion'] {
  const others = uncovered(classes, vocabulary);
  const own = names(classes, vocabulary);
  const counts = metrics.confusionMatrix(actual(scored), choices(scored), classes.length + others.length);
  return { actual: own, predicted: [...own, ...others], counts: counts.slice(0, classes.length) };
}

function actual(items: readonly Item[]): number[] {
  return items.map((item) => item.actual);
}

function choices(items: readonly Item[]): number[] {
  return items.map((item) => item.choice);
}

function positives(items: readonly Item[]): boolean[] {
  return items.map((item) => item.positive === true);
}
