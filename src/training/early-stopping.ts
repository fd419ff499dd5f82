/** Early stopping: which of the judged epochs was best, and whether to go on hoping. */

export interface Standing {
  /** Index of the smallest loss (the first of equals); −1 where none is a number. */
  best: number;
  /** `patience` epochs in a row brought nothing better. */
  stop: boolean;
}

/**
 * @param losses validation loss after each epoch so far.
 * @param patience epochs without a new best that are borne, ≥ 1.
 */
export function standing(losses: readonly number[], patience: number): Standing {
  const best = losses.reduce((least, loss, i) => (loss < (losses[least] ?? Infinity) ? i : least), -1);
  return { best, stop: losses.length - 1 - best >= patience };
}
