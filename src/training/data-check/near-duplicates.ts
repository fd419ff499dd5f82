/**
 * Recordings that hold the same sound though their files differ: cut elsewhere, louder, resampled, encoded again.
 *
 * At its prominent peaks (anchors) each recording gets keys made of the signs of the waveform around the peak. Two
 * recordings that share a key are laid over each other at that peak and count as near-duplicates when the waveforms
 * correlate over all of their overlap. Heart beats look alike, but only the same recording has the same noise between them.
 */

export interface NearDuplicate {
  /** Indices of the two recordings. */
  a: number;
  b: number;
  /** Pearson's r of the overlap. */
  correlation: number;
  /** Length of the overlap in samples. */
  overlapSamples: number;
}

/** Samples either side in which an anchor is the largest: .15 s at 2 kHz. */
const ANCHOR_REACH = 300;
/** Samples around the anchor that are compared before the whole overlap is. */
const NEAR = 250;
/** Correlation from which two overlaps are the same sound. */
export const SAME_SOUND = 0.95;
/** Less overlap than this proves nothing. */
const MIN_OVERLAP_SAMPLES = 2000;
/** A key that so many anchors share says nothing. */
const MAX_BUCKET = 200;
/** Two groups of offsets, so that a flipped sign in one leaves the other. */
const KEY_OFFSETS = [0, 5].map((shift) => Array.from({ length: 12 }, (_, i) => [shift + 10 * (i + 1), -(shift + 10 * (i + 1))]).flat());

interface Anchor {
  recording: number;
  at: number;
}

/**
 * @param recordings conditioned mono PCM at one rate (meant for 2 kHz); null where a recording could not be read.
 * @param onProgress recordings done.
 */
export function findNearDuplicates(recordings: readonly (Float32Array | null)[], onProgress?: (done: number) => void): NearDuplicate[] {
  const buckets = new Map<string, Anchor[]>();
  const found = new Map<string, NearDuplicate>();
  const tried = new Set<string>();
  recordings.forEach((pcm, recording) => {
    if (pcm) for (const at of anchors(pcm)) visit(recordings, buckets, found, tried, { recording, at });
    onProgress?.(recording + 1);
  });
  return [...found.values()];
}

/** Compares the anchor with those before it that have a key in common, then files it. */
function visit(recordings: readonly (Float32Array | null)[], buckets: Map<string, Anchor[]>, found: Map<string, NearDuplicate>, tried: Set<string>, anchor: Anchor): void {
  const pcm = recordings[anchor.recording] as Float32Array;
  for (const key of keysAt(pcm, anchor.at)) {
    const bucket = buckets.get(key) ?? [];
    if (bucket.length === 0) buckets.set(key, bucket);
    for (const other of bucket) {
      if (other.recording === anchor.recording) continue;
      const pair = `${other.recording} ${anchor.recording}`;
      const attempt = `${pair} ${anchor.at - other.at}`;
      if (found.has(pair) || tried.has(attempt)) continue;
      tried.add(attempt);
      const match = compare(recordings[other.recording] as Float32Array, other.at, pcm, anchor.at);
      if (match) found.set(pair, { a: other.recording, b: anchor.recording, ...match });
    }
    if (bucket.length < MAX_BUCKET) bucket.push(anchor);
  }
}

/** Places where the sound is loudest for ANCHOR_REACH samples either way. */
export function anchors(pcm: Float32Array): number[] {
  const peaks: number[] = [];
  for (let start = 0; start < pcm.length; start += ANCHOR_REACH) {
    let at = start;
    for (let i = start; i < Math.min(pcm.length, start + ANCHOR_REACH); i++) if (Math.abs(pcm[i]!) > Math.abs(pcm[at]!)) at = i;
    const level = Math.abs(pcm[at]!);
    if (level < 1e-5) continue;
    let largest = true;
    for (let i = Math.max(0, at - ANCHOR_REACH); i < Math.min(pcm.length, at + ANCHOR_REACH) && largest; i++) largest = Math.abs(pcm[i]!) <= level;
    if (largest) peaks.push(at);
  }
  return peaks;
}

function keysAt(pcm: Float32Array, at: number): string[] {
  const sign = Math.sign(pcm[at]!);
  return KEY_OFFSETS.flatMap((offsets, group) => {
    if (at + offsets[offsets.length - 1]! < 0 || at + Math.max(...offsets) >= pcm.length) return [];
    return [`${group}${offsets.map((offset) => ((pcm[at + offset] ?? 0) * sign > 0 ? '1' : '0')).join('')}`];
  });
}

/** Lays the anchors over each other, a few samples to and fro. */
function compare(a: Float32Array, aAt: number, b: Float32Array, bAt: number): { correlation: number; overlapSamples: number } | undefined {
  let best = { shift: 0, r: -1 };
  for (let shift = -2; shift <= 2; shift++) {
    const r = correlation(a, aAt, b, bAt + shift, NEAR, NEAR);
    if (Math.abs(r) > best.r) best = { shift, r: Math.abs(r) };
  }
  if (best.r < 0.9) return undefined;
  const bBest = bAt + best.shift;
  const before = Math.min(aAt, bBest);
  const after = Math.min(a.length - aAt, b.length - bBest);
  if (before + after < Math.min(MIN_OVERLAP_SAMPLES, a.length, b.length)) return undefined;
  const r = Math.abs(correlation(a, aAt, b, bBest, before, after));
  return r >= SAME_SOUND ? { correlation: r, overlapSamples: before + after } : undefined;
}

/** Pearson's r of a[aAt − before, aAt + after) and the like of b. */
function correlation(a: Float32Array, aAt: number, b: Float32Array, bAt: number, before: number, after: number): number {
  const from = -Math.min(before, aAt, bAt);
  const to = Math.min(after, a.length - aAt, b.length - bAt);
  const n = to - from;
  let [sumA, sumB, squareA, squareB, product] = [0, 0, 0, 0, 0];
  for (let i = from; i < to; i++) {
    const [x, y] = [a[aAt + i]!, b[bAt + i]!];
    sumA += x;
    sumB += y;
    squareA += x * x;
    squareB += y * y;
    product += x * y;
  }
  const variance = (squareA - (sumA * sumA) / n) * (squareB - (sumB * sumB) / n);
  return variance > 0 ? (product - (sumA * sumB) / n) / Math.sqrt(variance) : 0;
}
