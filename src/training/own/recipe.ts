/**
 * The recipe `own`: one data set's own labels. Pre-training of the recipe `heart` with its settings, but sampled as the
 * recordings come, since one figure over all of them is what is asked for: a network that saw the labels evened out says
 * "abnormal" too easily where that is rare (docs/experiments.md: what it did, and that it was seen on these folds).
 */
import { HEART_RECIPE, type StageRecipe } from '../recipe.js';

export const OWN_RECIPE: StageRecipe = {
  ...HEART_RECIPE.pretrain,
  windows: 24_000,
  // On request: most data sets have no heart states.
  frameHeadWeight: 0,
  sampling: { datasetShares: {}, siteExponent: 1, labelExponent: 1, syntheticArtifactShare: 0 },
};

/** Part of each fold's training subjects kept out of training to choose the threshold of "abnormal", where there are two labels. */
export const THRESHOLD_SHARE = 0.1;
