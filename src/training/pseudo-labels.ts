/**
 * Pseudo-labels: unlabelled recordings of the target data set that a model fine-tuned without them is sure about, taken
 * as labelled from then on (Lee 2013). The model must not have been judged, or be judged later, on their subjects.
 *
 * Fine-tuning draws rare labels more often than they come, so the model takes common ones for rarer than they are. By
 * Bayes' rule its probabilities hold for the target's own mix of labels once each is multiplied by (part of the
 * recordings / part of the draws); without that it is hardly ever sure of the commonest label.
 */
import type { LoadedRecording } from './audio-cache.js';
import { clipProbabilities, type ClipLogits } from './clip-logits.js';
import { LABELS, labelSetName, type LabelSet } from './label-map.js';
import { argMax } from './metrics.js';

/** From what probability a label is given, where the recipe does not say. */
export const PSEUDO_CONFIDENCE = 0.8;

/** Part of the recordings / part of the draws of each label set, up to a common factor. */
export type LabelMix = ReadonlyMap<LabelSet, number>;

/** The mix of recordings whose labels are drawn by their count to this power (`labelExponent`). */
export function labelMix(recordings: readonly Pick<LoadedRecording, 'set'>[], labelExponent: number): LabelMix {
  const counts = new Map<LabelSet, number>();
  for (const { set } of recordings) counts.set(set, (counts.get(set) ?? 0) + 1);
  return new Map([...counts].map(([set, count]) => [set, Math.pow(count, 1 - labelExponent)]));
}

/**
 * Those of the recordings that are taken, each with its one label: the likeliest by the mean over its windows, set to
 * the mix, when it has at least `confidence` and is a label of the mix.
 */
export function pseudoLabelled(recordings: readonly LoadedRecording[], logits: readonly ClipLogits[], mix: LabelMix, confidence = PSEUDO_CONFIDENCE): LoadedRecording[] {
  const byFile = new Map(logits.map(({ file, windows }) => [file, windows]));
  return recordings.flatMap((recording) => {
    const windows = byFile.get(recording.file) ?? [];
    if (windows.length === 0) return [];
    const probabilities = setToMix(clipProbabilities(windows, 1), mix);
    const best = argMax(probabilities);
    const set = 1 << best;
    return (probabilities[best] ?? 0) >= confidence && mix.has(set) ? [{ ...recording, set, label: LABELS[best] ?? '' }] : [];
  });
}

/** What labels outside the mix have stays theirs; the others share the rest by probability × factor. */
function setToMix(probabilities: readonly number[], mix: LabelMix): number[] {
  const weighted = probabilities.map((p, i) => p * (mix.get(1 << i) ?? 0));
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const within = sum(probabilities.filter((_, i) => mix.has(1 << i)));
  const scale = within / (sum(weighted) || 1);
  return probabilities.map((p, i) => (mix.has(1 << i) ? (weighted[i] ?? 0) * scale : p));
}

/** Clips per label, for the log and the card. */
export function countLabels(recordings: readonly LoadedRecording[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { set } of recordings) counts[labelSetName(set)] = (counts[labelSetName(set)] ?? 0) + 1;
  return counts;
}
