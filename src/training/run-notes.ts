/** What card and report say of a run in the same words. */
import { PHASE_SHARE } from '../inference/phase-branch.js';
import { figure } from './format.js';
import type { TrainingResults } from './results.js';

/** What a repeated run gives. */
export const REPEATED = 'Another run of the same command gives the same weights to the bit on the same kind of processor with as many threads; elsewhere sums are made in another order, and it comes close.';

/** How the phase branch's networks join the ResNet: the end of a sentence about them. */
export const PHASE_SHARE_NOTE = `whose mean logits are ${figure(PHASE_SHARE)} of the network's, the ResNet's the rest.`;

/** What counts as a murmur and as abnormal, and by what that was set. */
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
