/**
 * How sure a model is of a label when the labels that it can't tell are left aside: what decides "unknown".
 *
 * An experimental label takes probability from the others on every clip, however clear: where the model has learnt no
 * sign of it, that part says nothing of the clip. Measured in docs/experiments.md.
 */

/**
 * P(label) / P(label or any label that is not experimental), 0…1. Of an experimental label itself that is its
 * probability less the other experimental labels' part.
 *
 * @param probabilities by label, summing to 1.
 * @param index of the label.
 * @param isExperimental whether the label of that index is experimental.
 */
export function certaintyOf(probabilities: ArrayLike<number>, index: number, isExperimental: (index: number) => boolean): number {
  const own = probabilities[index] ?? 0;
  let all = 0;
  for (let i = 0; i < probabilities.length; i++) if (i === index || !isExperimental(i)) all += probabilities[i] ?? 0;
  return all > 0 ? own / all : 0;
}
