/**
 * The recipe `own`: one data set's own labels. Fixed before any fold was looked at: pre-training of the recipe `heart`
 * with its settings, but sampled as the recordings come, since one figure over all of them is what is asked for.
 */
import { HEART_RECIPE, type StageRecipe } from '../recipe.js';

export const OWN_RECIPE: StageRecipe = {
  ...HEART_RECIPE.pretrain,
  windows: 24_000,
  // On request: most data sets have no heart states.
  frameHeadWeight: 0,
  sampling: { datasetShares: {}, siteExponent: 1, labelExponent: 0.7, syntheticArtifactShare: 0 },
};

/** Part of each fold's training subjects kept out of training to choose the threshold of "abnormal", where there are two labels. */
export const THRESHOLD_SHARE = 0.1;
