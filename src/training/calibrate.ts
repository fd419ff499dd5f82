/** Temperature and the threshold for `unknown` from predictions on clips that the predicting weights were not trained on. */
import type { LoadedRecording } from './audio-cache.js';
import { clipProbabilities, type ClipLogits } from './clip-logits.js';
import { accuracyAtCoverage, argMax, mean } from './metrics.js';
import { massOf, type ClipPrediction } from './summary.js';
import { singleLabel } from './label-map.js';

/** The temperature that minimises the negative log-likelihood of the clips' label sets; golden-section search on its logarithm. */
export function fitTemperature(recordings: readonly LoadedRecording[], logits: readonly ClipLogits[]): number {
  const byFile = new Map(logits.map((clip) => [clip.file, clip.windows]));
  const clips = recordings.flatMap((recording) => {
    const windows = byFile.get(recording.file) ?? [];
    return windows.length > 0 && recording.set !== 0 ? [{ set: recording.set, windows }] : [];
  });
  if (clips.length === 0) return 1;
  const loss = (logT: number) => mean(clips.map((clip) => -Math.log(massOf(clipProbabilities(clip.windows, Math.exp(logT)), clip.set) + 1e-9)));
  return Math.exp(goldenSection(loss, Math.log(0.2), Math.log(5)));
}

/** Minimiser of a unimodal function on [low, high], to 1e-4. */
export function goldenSection(f: (x: number) => number, low: number, high: number): number {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [low, high];
  let [c, d] = [b - ratio * (b - a), a + ratio * (b - a)];
  let [fc, fd] = [f(c), f(d)];
  while (b - a > 1e-4) {
    if (fc < fd) {
      [b, d, fd] = [d, c, fc];
      c = b - ratio * (b - a);
      fc = f(c);
    } else {
      [a, c, fc] = [c, d, fd];
      d = a + ratio * (b - a);
      fd = f(d);
    }
  }
  return (a + b) / 2;
}

/** Confidence that the most confident `coverage` of the clips with one known label reach: below it a label is `unknown`. */
export function unknownThreshold(predictions: readonly ClipPrediction[], coverage: number): number {
  const known = predictions.filter((p) => singleLabel(p.set) >= 0);
  const confidence = known.map((p) => Math.max(...p.probabilities));
  const correct = known.map((p) => argMax(p.probabilities) === singleLabel(p.set));
  return accuracyAtCoverage(confidence, correct, coverage).confidence;
}
