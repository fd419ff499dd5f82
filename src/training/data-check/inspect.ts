/** One recording as the check sees it: decoded once, measured, reduced to 2 kHz for comparison with the others. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { decodeBytes } from '../../capture/files/decode-file.js';
import type { DecodedAudio } from '../../capture/files/decoded-audio.js';
import type { Decoders } from '../../capture/files/decoders.js';
import { StageError } from '../../common/stage-error.js';
import { conditionAll } from '../../condition/offline.js';

/** Rate at which recordings are compared. */
export const COMPARE_RATE_HZ = 2000;

export interface Inspection {
  seconds: number;
  sampleRateHz: number;
  /** Largest absolute value, full scale = 1. */
  peak: number;
  /** Share of samples at the file's own largest value where they come in rows of three or more: flat tops. */
  clippedShare: number;
  nonFiniteSamples: number;
  /** What the decoder met. */
  warnings: string[];
  /** SHA-256 over the decoded samples: equal for a WAV and its FLAC. */
  audioHash: string;
  /** Mono at COMPARE_RATE_HZ. */
  pcm: Float32Array;
}

/** An inspection, or why there is none. */
export type Inspected = Inspection | { code: string; reason: string };

export function isReadable(inspected: Inspected): inspected is Inspection {
  return 'audioHash' in inspected;
}

export async function inspect(path: string, decoders: Decoders): Promise<Inspected> {
  try {
    const audio = await decodeBytes(await readFile(path), path, decoders);
    return measure(audio);
  } catch (error) {
    if (error instanceof StageError) return { code: error.code, reason: error.message };
    if (error instanceof Error && 'code' in error && typeof error.code === 'string') return { code: error.code === 'ENOENT' ? 'MISSING' : 'UNREADABLE', reason: error.message };
    throw error;
  }
}

function measure(audio: DecodedAudio): Inspection {
  const { samples, channels, sampleRateHz, durationMs, warnings } = audio;
  let [peak, nonFiniteSamples] = [0, 0];
  for (const x of samples) {
    if (Number.isFinite(x)) peak = Math.max(peak, Math.abs(x));
    else nonFiniteSamples++;
  }
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  return {
    seconds: durationMs / 1000,
    sampleRateHz,
    peak,
    clippedShare: clippedShare(samples, channels, peak),
    nonFiniteSamples,
    warnings,
    audioHash: createHash('sha256').update(`${channels} ${sampleRateHz} `).update(bytes).digest('hex'),
    pcm: conditionAll(samples, channels, sampleRateHz, { modelRateHz: COMPARE_RATE_HZ, dcBlockHz: 10, channel: 'mix' }),
  };
}

/** Three samples in a row at the largest value (within half a 16-bit step) are a flat top; a quiet file's few levels are not. */
function clippedShare(samples: Float32Array, channels: number, peak: number): number {
  if (peak < 0.05) return 0;
  const limit = peak - 0.5 / 32768;
  let [clipped, row] = [0, 0];
  for (let channel = 0; channel < channels; channel++) {
    for (let i = channel; i < samples.length; i += channels) {
      row = Math.abs(samples[i]!) >= limit ? row + 1 : 0;
      if (row === 3) clipped += 3;
      else if (row > 3) clipped++;
    }
    row = 0;
  }
  return clipped / Math.max(1, samples.length);
}
