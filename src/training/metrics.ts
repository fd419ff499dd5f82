/** Figures of merit of a classifier, checked in the tests against scikit-learn. Undefined ones are NaN, never 0. */

/** counts[actual][predicted]. */
export function confusionMatrix(actual: readonly number[], predicted: readonly number[], classes: number): number[][] {
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  actual.forEach((truth, index) => {
    const row = counts[truth];
    const guess = predicted[index];
    if (row !== undefined && guess !== undefined) row[guess] = (row[guess] ?? 0) + 1;
  });
  return counts;
}

export function accuracy(actual: readonly number[], predicted: readonly number[]): number {
  return mean(actual.map((truth, index) => (truth === predicted[index] ? 1 : 0)));
}

/** Mean recall over the classes that occur in `actual`. */
export function balancedAccuracy(actual: readonly number[], predicted: readonly number[]): number {
  return mean([...new Set(actual)].map((label) => recall(actual, predicted, label)));
}

/** Share of `label` that was found; NaN where it doesn't occur. */
export function recall(actual: readonly number[], predicted: readonly number[], label: number): number {
  let [found, all] = [0, 0];
  actual.forEach((truth, index) => {
    if (truth !== label) return;
    all++;
    if (predicted[index] === label) found++;
  });
  return found / all;
}

/** F1 of one class; 0 when it occurs or is predicted but never rightly, NaN when neither. */
export function f1(actual: readonly number[], predicted: readonly number[], label: number): number {
  let [both, either] = [0, 0];
  actual.forEach((truth, index) => {
    if (truth === label) either++;
    if (predicted[index] === label) either++;
    if (truth === label && predicted[index] === label) both++;
  });
  return (2 * both) / either;
}

/** Unweighted mean F1 over `labels` (default: those in `actual` or `predicted`, as scikit-learn has it). */
export function macroF1(actual: readonly number[], predicted: readonly number[], labels?: readonly number[]): number {
  const classes = labels ?? [...new Set([...actual, ...predicted])];
  return mean(classes.map((label) => f1(actual, predicted, label)).filter((value) => !Number.isNaN(value)));
}

/** Area under the ROC curve: probability that a positive outscores a negative, ties count half. NaN with one class. */
export function auroc(positive: readonly boolean[], scores: readonly number[]): number {
  const order = scores.map((_, index) => index).sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0));
  let [rankSum, positives] = [0, 0];
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && scores[order[end] ?? 0] === scores[order[start] ?? 0]) end++;
    const rank = (start + 1 + end) / 2;
    for (let i = start; i < end; i++) {
      if (!positive[order[i] ?? 0]) continue;
      rankSum += rank;
      positives++;
    }
    start = end;
  }
  const negatives = order.length - positives;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** One point of the ROC curve: everything scoring at least `threshold` is called positive. */
export interface RocPoint {
  threshold: number;
  falsePositiveRate: number;
  sensitivity: number;
}

/** ROC curve from (0, 0) to (1, 1), one point per distinct score. */
export function rocCurve(positive: readonly boolean[], scores: readonly number[]): RocPoint[] {
  const positives = positive.filter(Boolean).length;
  const negatives = positive.length - positives;
  const order = scores.map((_, index) => index).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
  const points: RocPoint[] = [{ threshold: Infinity, falsePositiveRate: 0, sensitivity: 0 }];
  let [hits, alarms] = [0, 0];
  order.forEach((index, position) => {
    if (positive[index]) hits++;
    else alarms++;
    const next = order[position + 1];
    if (next !== undefined && scores[next] === scores[index]) return;
    points.push({ threshold: scores[index] ?? 0, falsePositiveRate: alarms / negatives, sensitivity: hits / positives });
  });
  return points;
}

/** (sensitivity + specificity) / 2 when scores at or above the threshold count as positive. */
export function meanSensitivitySpecificity(positive: readonly boolean[], scores: readonly number[], threshold: number): number {
  const truth = positive.map(Number);
  const guess = scores.map((score) => (score >= threshold ? 1 : 0));
  return (recall(truth, guess, 1) + recall(truth, guess, 0)) / 2;
}

/** The threshold with the largest (sensitivity + specificity) / 2, set halfway to the next lower score. */
export function bestThreshold(positive: readonly boolean[], scores: readonly number[]): number {
  const points = rocCurve(positive, scores);
  let best = 0;
  points.forEach((point, index) => {
    const kept = points[best] as RocPoint;
    if (point.sensitivity - point.falsePositiveRate > kept.sensitivity - kept.falsePositiveRate) best = index;
  });
  const here = points[best]?.threshold ?? 0.5;
  const below = points[best + 1]?.threshold ?? here;
  return Number.isFinite(here) ? (here + below) / 2 : 0.5;
}

/** One bin of a calibration curve. */
export interface CalibrationBin {
  low: number;
  high: number;
  count: number;
  confidence: number;
  accuracy: number;
}

/** Confidence against accuracy in bins of equal width. */
export function calibrationBins(confidence: readonly number[], correct: readonly boolean[], bins = 10): CalibrationBin[] {
  return Array.from({ length: bins }, (_, bin) => {
    const members = confidence.flatMap((value, index) => (Math.min(bins - 1, Math.floor(value * bins)) === bin ? [index] : []));
    return {
      low: bin / bins,
      high: (bin + 1) / bins,
      count: members.length,
      confidence: mean(members.map((index) => confidence[index] ?? 0)),
      accuracy: mean(members.map((index) => (correct[index] ? 1 : 0))),
    };
  });
}

/** Expected calibration error: mean distance of confidence from accuracy over the bins, weighted by their counts. */
export function expectedCalibrationError(confidence: readonly number[], correct: readonly boolean[], bins = 10): number {
  const total = confidence.length;
  return calibrationBins(confidence, correct, bins).reduce(
    (sum, bin) => (bin.count === 0 ? sum : sum + (bin.count / total) * Math.abs(bin.confidence - bin.accuracy)),
    0,
  );
}

/** Accuracy among the most confident `coverage` of all (at least one), and the confidence that this share needs. */
export function accuracyAtCoverage(confidence: readonly number[], correct: readonly boolean[], coverage: number): { accuracy: number; confidence: number } {
  const order = confidence.map((_, index) => index).sort((a, b) => (confidence[b] ?? 0) - (confidence[a] ?? 0));
  const kept = order.slice(0, Math.max(1, Math.round(coverage * order.length)));
  return { accuracy: mean(kept.map((index) => (correct[index] ? 1 : 0))), confidence: confidence[kept[kept.length - 1] ?? 0] ?? NaN };
}

/** Index of the largest value; the first of equals. */
export function argMax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] ?? -Infinity) > (values[best] ?? -Infinity)) best = i;
  return best;
}

/** NaN for none. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
