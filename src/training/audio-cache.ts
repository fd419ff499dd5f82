/**
 * Recordings as conditioned mono PCM at the model's rate: decoded once, then read from a cache on disk.
 *
 * A cache entry is keyed by the file's content and by everything that shapes the result, so it can't be stale. Files
 * that can't be read are named, skipped and counted; only a set without one good file is an error.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { decodeBytes } from '../capture/files/decode-file.js';
import type { DecodedAudio } from '../capture/files/decoded-audio.js';
import { Decoders } from '../capture/files/decoders.js';
import { cacheDir } from '../common/paths.js';
import { StageError } from '../common/stage-error.js';
import { conditionAll } from '../condition/offline.js';
import type { FeatureParams } from '../features/index.js';
import type { Recording } from './manifest-csv.js';
import { writeAtomically } from './run-log.js';

/** Raise when decoding or conditioning changes what it gives. */
const CACHE_VERSION = 1;

/** Clips below this have no whole heartbeat to learn from or to judge. */
export const MIN_CLIP_SECONDS = 0.5;

/** A recording that could be read. */
export interface LoadedRecording extends Recording {
  /** Conditioned mono PCM at params.mel.sampleRateHz. */
  pcm: Float32Array;
  durationS: number;
}

/** A recording that could not, and why. */
export interface SkippedRecording {
  file: string;
  code: string;
  reason: string;
}

export interface LoadedAudio {
  recordings: LoadedRecording[];
  skipped: SkippedRecording[];
}

export interface LoadAudioOptions {
  /** Cache folder; default cacheDir()/audio. */
  folder?: string;
  onProgress?: (done: number, total: number) => void;
  onSkip?: (skipped: SkippedRecording) => void;
}

/** Loads all of them, in their order. Throws TRAINING_NO_AUDIO when none can be read. */
export async function loadAudio(recordings: readonly Recording[], params: FeatureParams, options: LoadAudioOptions = {}): Promise<LoadedAudio> {
  const folder = options.folder ?? join(cacheDir(), 'audio');
  const decoders = new Decoders();
  const loaded: LoadedAudio = { recordings: [], skipped: [] };
  try {
    for (const [index, recording] of recordings.entries()) {
      try {
        const pcm = await loadOne(recording.path, params, folder, decoders);
        loaded.recordings.push({ ...recording, pcm, durationS: checkedDuration(pcm, params) });
      } catch (error) {
        const skipped = toSkipped(recording.file, error);
        loaded.skipped.push(skipped);
        options.onSkip?.(skipped);
      }
      options.onProgress?.(index + 1, recordings.length);
    }
  } finally {
    decoders.close();
  }
  if (loaded.recordings.length === 0) throw noAudio(recordings, loaded.skipped);
  return loaded;
}

async function loadOne(path: string, params: FeatureParams, folder: string, decoders: Decoders): Promise<Float32Array> {
  const bytes = await readFile(path);
  const entry = join(folder, `${cacheKey(bytes, params)}.f32`);
  if (existsSync(entry)) return toFloats(await readFile(entry));
  const pcm = condition(await decodeBytes(bytes, path, decoders), params);
  store(entry, pcm);
  return pcm;
}

function condition(audio: DecodedAudio, params: FeatureParams): Float32Array {
  return conditionAll(audio.samples, audio.channels, audio.sampleRateHz, {
    modelRateHz: params.mel.sampleRateHz,
    dcBlockHz: params.dcBlockHz,
    channel: 'mix',
  });
}

/** `ab/abcdef…`, so that no folder grows beyond what a file system likes. */
function cacheKey(bytes: Uint8Array, params: FeatureParams): string {
  const key = createHash('sha256')
    .update(`${CACHE_VERSION} ${params.mel.sampleRateHz} ${params.dcBlockHz}\n`)
    .update(bytes)
    .digest('hex')
    .slice(0, 40);
  return join(key.slice(0, 2), key);
}

function store(entry: string, pcm: Float32Array): void {
  try {
    mkdirSync(dirname(entry), { recursive: true });
    writeAtomically(entry, new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength));
  } catch (error) {
    throw new StageError({
      code: 'TRAINING_CACHE_UNWRITABLE',
      stage: 'training',
      message: `can't write ${entry}: ${error instanceof Error ? error.message : String(error)}`,
      remedy: 'Free some space, or point STETHOSTREAM_CACHE at a folder that can be written.',
      cause: error,
    });
  }
}

function toFloats(bytes: Buffer): Float32Array {
  const floats = new Float32Array(Math.floor(bytes.byteLength / 4));
  new Uint8Array(floats.buffer).set(bytes.subarray(0, floats.byteLength));
  return floats;
}

function checkedDuration(pcm: Float32Array, params: FeatureParams): number {
  const durationS = pcm.length / params.mel.sampleRateHz;
  if (durationS < MIN_CLIP_SECONDS) throw unusable('TRAINING_CLIP_TOO_SHORT', `lasts ${durationS.toFixed(3)} s, the least is ${MIN_CLIP_SECONDS} s`);
  if (!pcm.some((x) => Math.abs(x) > 1e-5)) throw unusable('TRAINING_CLIP_SILENT', 'holds nothing but silence');
  return durationS;
}

function unusable(code: string, message: string): StageError {
  return new StageError({ code, stage: 'training', message, remedy: 'Remove the recording from manifest.csv or replace the file.' });
}

/** Only what is wrong with the one file is skipped; a full disk or a bug ends the run. */
function toSkipped(file: string, error: unknown): SkippedRecording {
  if (error instanceof StageError) {
    if (error.code === 'TRAINING_CACHE_UNWRITABLE') throw error;
    return { file, code: error.code, reason: error.message };
  }
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return { file, code: 'TRAINING_FILE_UNREADABLE', reason: error.message };
  throw error;
}

function noAudio(recordings: readonly Recording[], skipped: readonly SkippedRecording[]): StageError {
  return new StageError({
    code: 'TRAINING_NO_AUDIO',
    stage: 'training',
    message: `none of ${recordings.length} recording(s) could be read; the first: ${skipped[0]?.file ?? '-'}: ${skipped[0]?.reason ?? '-'}`,
    remedy: 'Check that the files named in manifest.csv lie beside it and can be read.',
  });
}
