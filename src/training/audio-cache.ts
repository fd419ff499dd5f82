/**
 * Recordings as conditioned mono PCM at the model's rate: decoded once, in worker threads, then read from a cache on disk.
 *
 * A cache entry is keyed by the file's content and by everything that shapes the result, so it can't be stale. Files
 * that can't be read are named, skipped and counted; only a set without one good file is an error.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { cacheDir } from '../common/paths.js';
import { StageError } from '../common/stage-error.js';
import type { FeatureParams } from '../features/index.js';
import { openClipDecoder, type ClipDecoder } from './feed/clip-decoder.js';
import { inOrder } from './feed/in-order.js';
import { sharedFloats } from './feed/shared-clips.js';
import type { Recording } from './manifest-csv.js';

/** Raise when decoding or conditioning changes what it gives. */
const CACHE_VERSION = 1;

/** Clips below this have no whole heartbeat to learn from or to judge. */
export const MIN_CLIP_SECONDS = 0.5;

/** A recording that could be read. */
export interface LoadedRecording extends Recording {
  /** Conditioned mono PCM at params.mel.sampleRateHz, in shared memory: worker threads read it where it is. Not to be changed. */
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
  /** Worker threads that decode what the cache does not hold; 0 = the calling thread. Default: by the count of recordings. */
  workers?: number;
  onProgress?: (done: number, total: number) => void;
  onSkip?: (skipped: SkippedRecording) => void;
  /** Called once where the cache can't be written, with what to say; the recordings are decoded all the same. Default: a warning of the process. */
  onUncached?: (warning: string) => void;
}

/** Below this many, to start a worker (about 0.2 s of processor time) takes as long as it saves (2 to 3 ms for a clip of PhysioNet's). */
const FEW_RECORDINGS = 100;

/** Nothing trains meanwhile, and the calling thread only reads and hashes: no core is left free for it. */
const MOST_WORKERS = 2;

/** Files that are read or decoded at once, for each worker: one being decoded, one waiting. */
const FILES_PER_WORKER = 2;

/** Loads all of them, in their order. Throws TRAINING_NO_AUDIO when none can be read. */
export async function loadAudio(recordings: readonly Recording[], params: FeatureParams, options: LoadAudioOptions = {}): Promise<LoadedAudio> {
  const folder = options.folder ?? join(cacheDir(), 'audio');
  const { workers = recordings.length < FEW_RECORDINGS ? 0 : Math.min(MOST_WORKERS, availableParallelism()) } = options;
  const decoder = openClipDecoder(params, workers);
  const loaded: LoadedAudio = { recordings: [], skipped: [] };
  const { onUncached = (warning: string) => process.emitWarning(warning) } = options;
  let told = false;
  const tell = (reason: string) => {
    if (!told) onUncached(uncachedWarning(reason));
    told = true;
  };
  const load = (recording: Recording) => loadOne(recording, params, folder, decoder, tell);
  try {
    for await (const outcome of inOrder(recordings, load, Math.max(1, FILES_PER_WORKER * workers))) {
      if ('pcm' in outcome) loaded.recordings.push(outcome);
      else {
        loaded.skipped.push(outcome);
        options.onSkip?.(outcome);
      }
      options.onProgress?.(loaded.recordings.length + loaded.skipped.length, recordings.length);
    }
  } finally {
    await decoder.close();
  }
  if (loaded.recordings.length === 0) throw noAudio(recordings, loaded.skipped);
  return loaded;
}

/** Code of the warning: the work is only slower. */
const UNWRITABLE = 'TRAINING_CACHE_UNWRITABLE';

function uncachedWarning(reason: string): string {
  return `audio cache: ${reason} [${UNWRITABLE}]; it goes on without. Free some space, or point STETHOSTREAM_CACHE at a folder that can be written.`;
}

async function loadOne(recording: Recording, params: FeatureParams, folder: string, decoder: ClipDecoder, onUncached: (reason: string) => void): Promise<LoadedRecording | SkippedRecording> {
  try {
    const bytes = await readFile(recording.path);
    const entry = join(folder, `${cacheKey(bytes, params)}.f32`);
    const { pcm, uncached } = existsSync(entry) ? { pcm: toFloats(await readFile(entry)) } : await decoder.decode(bytes, recording.path, entry);
    if (uncached !== undefined) onUncached(uncached);
    return { ...recording, pcm, durationS: checkedDuration(pcm, params) };
  } catch (error) {
    return toSkipped(recording.file, error);
  }
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

function toFloats(bytes: Buffer): Float32Array {
  const floats = new Float32Array(sharedFloats(Math.floor(bytes.byteLength / Float32Array.BYTES_PER_ELEMENT)));
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

/** Not the fault of one file. */
const ENDS_THE_RUN = new Set(['TRAINING_WORKER_START', 'TRAINING_WORKER_FAILED', 'TRAINING_WORKERS_CLOSED', 'APP_NOT_BUILT']);

/** Only what is wrong with the one file is skipped (that two workers died of it, too); a bug ends the run. */
function toSkipped(file: string, error: unknown): SkippedRecording {
  if (error instanceof StageError) {
    if (ENDS_THE_RUN.has(error.code)) throw error;
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
