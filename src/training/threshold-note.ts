/** The thresholds of a run in words, for card and report. */
import type { TrainingResults } from './results.js';

export function thresholdNote({ murmur, abnormal }: TrainingResults['calibration']): string {
  if (murmur === undefined) {
    return `P(not normal | heart sound) of at least ${abnormal.toFixed(3)} counts as abnormal: the best threshold of the out-of-fold predictions and of a part of PhysioNet kept for it.`;
  }
  return (
    `A clip counts as one with a murmur where P(murmur | murmur or normal) is at least ${murmur.toFixed(3)}; where a data set says no more than "abnormal", P(murmur or extrasystole | heart sound) of at least ${abnormal.toFixed(3)} counts. ` +
    'Each is where the calibrated probability (logistic regression on log-odds, Platt 1999) is the share of positive clips, where (sensitivity + specificity) / 2 is largest. ' +
    'The first was set on the out-of-fold predictions, but a fold is reported here at what the other folds set; the second on a part of PhysioNet kept for it.'
  );
}
