/**
 * Pseudo-labels: unlabelled recordings of the target data set that a model fine-tuned without them is sure about, taken
 * as labelled from then on (Lee 2013). The model must not have been judged, or be judged later, on their subjects.
 */
import type { LoadedRecording } from './audio-cache.js';
import { clipProbabilities, type ClipLogits } from './clip-logits.js';
import { LABELS, labelSetName } from './label-map.js';
import { argMax } from './metrics.js';

/** From what mean probability a label is given, where the recipe does not say. */
export const PSEUDO_CONFIDENCE = 0.9;

/**
 * Those of the recordings that are taken, each with its one label: the likeliest by the mean over its windows, when
 * that mean is at least `confidence` and the label is one of those allowed.
 */
export function pseudoLabelled(recordings: readonly LoadedRecording[], logits: readonly ClipLogits[], allowed: ReadonlySet<number>, confidence = PSEUDO_CONFIDENCE): LoadedRecording[] {
  const byFile = new Map(logits.map(({ file, windows }) => [file, windows]));
  return recordings.flatMap((recording) => {
    const windows = byFile.get(recording.file) ?? [];
    if (windows.length === 0) return [];
    const probabilities = clipProbabilities(windows, 1);
    const best = argMax(probabilities);
    const set = 1 << best;
    return (probabilities[best] ?? 0) >= confidence && allowed.has(set) ? [{ ...recording, set, label: LABELS[best] ?? '' }] : [];
  });
}

/** Clips per label, for the log and the card. */
export function countLabels(recordings: readonly LoadedRecording[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { set } of recordings) counts[labelSetName(set)] = (counts[labelSetName(set)] ?? 0) + 1;
  return counts;
}
