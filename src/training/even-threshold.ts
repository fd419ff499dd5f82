/** The threshold of a positive label from a few kept-out clips, less at the mercy of single ones than the best of their scores. */
import { thresholdOn } from './floors.js';
import { HEART } from './label-map.js';
import { fitLogistic } from './logistic.js';
import { binaryScores, type ClipPrediction } from './summary.js';

/** Keeps the regression finite where the scores separate the clips. */
const l2 = 1e-3;
/** Log-odds of every threshold lie within ± this. */
const farthest = 12;

/**
 * Calibrates the score's log-odds by logistic regression (Platt 1999) and takes the score whose calibrated probability is
 * the share of positive clips: there, by Bayes' rule, (sensitivity + specificity) / 2 is largest. Where the scores do not
 * rise with the truth, or one of the classes is missing, as {@link thresholdOn}.
 *
 * @param predictions of clips that the model was not trained on.
 */
export function evenThreshold(predictions: readonly ClipPrediction[], vocabulary = HEART): number {
  const clips = binaryScores(predictions, vocabulary);
  const share = clips.filter(({ positive }) => positive).length / clips.length;
  if (!(share > 0 && share < 1)) return thresholdOn(predictions, vocabulary);
  const fitted = fitLogistic(clips.map(({ score }) => [logOdds(score)]), clips.map(({ positive }) => Number(positive)), 2, { l2 });
  // Calibrated log-odds are a straight line over the score's.
  const calibrated = (at: number) => {
    const [normal = 1, abnormal = 0] = fitted.predict([at]);
    return Math.log(abnormal / normal);
  };
  const slope = calibrated(1) - calibrated(0);
  const crossing = (logOdds(share) - calibrated(0)) / slope;
  if (!(slope > 0 && Math.abs(crossing) < farthest)) return thresholdOn(predictions, vocabulary);
  return 1 / (1 + Math.exp(-crossing));
}

function logOdds(probability: number): number {
  const inside = Math.min(1 - 1e-5, Math.max(1e-5, probability));
  return Math.log(inside / (1 - inside));
}
