/** Logits of every window of a clip, and what they say of the clip as a whole. */
import { nextTurn } from '../common/next-turn.js';
import type { FeatureParams } from '../features/index.js';
import type { LoadedRecording } from './audio-cache.js';
import { clipWindows } from './clip-windows.js';
import type { ClipPrediction } from './summary.js';

/** The model's raw output for one clip; temperature is applied later. */
export interface ClipLogits {
  file: string;
  /** One row of logits per window, hops as in the features' parameters. */
  windows: number[][];
}

/** Logits (count × labels, row-major) of count model inputs. */
export type LogitsOf = (x: Float32Array, count: number) => Promise<Float32Array> | Float32Array;

/** All windows of all clips through the model, in batches that cross clip borders. */
export async function clipLogits(
  recordings: readonly LoadedRecording[],
  params: FeatureParams,
  logitsOf: LogitsOf,
  options: { batchSize?: number; onProgress?: (done: number, total: number) => void } = {},
): Promise<ClipLogits[]> {
  const size = params.mel.nMels * params.windowFrames;
  const results: ClipLogits[] = recordings.map(({ file }) => ({ file, windows: [] }));
  const batchSize = options.batchSize ?? 32;
  const batch = new Float32Array(batchSize * size);
  const owners: number[] = [];
  const flush = async () => {
    if (owners.length === 0) return;
    const logits = await logitsOf(batch.slice(0, owners.length * size), owners.length);
    const width = logits.length / owners.length;
    owners.forEach((owner, row) => results[owner]?.windows.push(Array.from(logits.subarray(row * width, (row + 1) * width))));
    owners.length = 0;
    await nextTurn();
  };
  for (const [index, recording] of recordings.entries()) {
    for (const input of clipWindows(recording.pcm, params)) {
      batch.set(input, owners.length * size);
      owners.push(index);
      if (owners.length === batchSize) await flush();
    }
    options.onProgress?.(index + 1, recordings.length);
  }
  await flush();
  return results;
}

/** Mean over the windows of softmax(logits / temperature). */
export function clipProbabilities(windows: readonly (readonly number[])[], temperature: number): number[] {
  const sum = new Array<number>(windows[0]?.length ?? 0).fill(0);
  for (const logits of windows) {
    const top = Math.max(...logits);
    const powers = logits.map((value) => Math.exp((value - top) / temperature));
    const total = powers.reduce((a, b) => a + b, 0);
    powers.forEach((power, i) => (sum[i] = (sum[i] ?? 0) + power / total / windows.length));
  }
  return sum;
}

/** Joins recordings with their logits; clips without a window are left out. */
export function toPredictions(recordings: readonly LoadedRecording[], logits: readonly ClipLogits[], temperature: number): ClipPrediction[] {
  const byFile = new Map(logits.map((clip) => [clip.file, clip.windows]));
  return recordings.flatMap((recording) => {
    const windows = byFile.get(recording.file) ?? [];
    if (windows.length === 0) return [];
    const { file, dataset, site, group, label, set, durationS } = recording;
    return [{ file, dataset, site, group, label, set, durationS, windows: windows.length, probabilities: clipProbabilities(windows, temperature) }];
  });
}
