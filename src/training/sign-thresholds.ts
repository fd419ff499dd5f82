/** Thresholds of murmur and of abnormal, each set where its own kind of data set was judged by weights that did not train on it. */
import { evenThreshold } from './even-threshold.js';
import { binaryScores, ONE_HALF, signOfDataset, type ClipPrediction, type SignThresholds } from './summary.js';

/**
 * One threshold per kind of positive: P(murmur | murmur or normal) is another score than P(abnormal | abnormal or normal),
 * and a network need not be as sure of the one as of the other. A kind that no source can set takes the other's, or .5.
 *
 * @param sources predictions of one data set each.
 */
export function fitSignThresholds(sources: readonly (readonly ClipPrediction[])[]): SignThresholds {
  const found: Partial<SignThresholds> = {};
  for (const source of sources) {
    // The first source of a kind is the one that matters most.
    if (hasBoth(source)) found[signOfDataset(source)] ??= evenThreshold(source);
  }
  return { murmur: found.murmur ?? found.abnormal ?? ONE_HALF.murmur, abnormal: found.abnormal ?? found.murmur ?? ONE_HALF.abnormal };
}

/** Each fold's predictions with the threshold that the other folds set: no clip has a say in what it is judged at. */
export function atOthersThreshold(folds: readonly (readonly ClipPrediction[])[]): ClipPrediction[] {
  return folds.flatMap((fold) => {
    const threshold = evenThreshold(folds.filter((other) => other !== fold).flat());
    return fold.map((prediction) => ({ ...prediction, threshold }));
  });
}

function hasBoth(predictions: readonly ClipPrediction[]): boolean {
  const truths = binaryScores(predictions).map(({ positive }) => positive);
  return truths.includes(true) && truths.includes(false);
}
