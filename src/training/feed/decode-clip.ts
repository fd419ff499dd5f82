/** One recording's bytes → conditioned mono PCM at the model's rate, kept in the cache: on any thread. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { threadId } from 'node:worker_threads';
import { decodeBytes } from '../../capture/files/decode-file.js';
import type { Decoders } from '../../capture/files/decoders.js';
import { makeFolder } from '../../common/make-folder.js';
import { conditionAll } from '../../condition/offline.js';
import type { FeatureParams } from '../../features/index.js';
import { toShared } from './shared-clips.js';

/** What to decode. */
export interface ClipToDecode {
  bytes: Uint8Array;
  /** For messages. */
  path: string;
  /** Where the result is kept. */
  entry: string;
}

/** A decoded recording. */
export interface DecodedClip {
  /** In shared memory. */
  pcm: Float32Array;
  /** Why it is not in the cache; absent: it is. */
  uncached?: string;
}

/** Throws what decodeBytes and conditionAll throw. */
export async function decodeClip({ bytes, path, entry }: ClipToDecode, params: FeatureParams, decoders: Decoders): Promise<DecodedClip> {
  const audio = await decodeBytes(bytes, path, decoders);
  const pcm = conditionAll(audio.samples, audio.channels, audio.sampleRateHz, {
    modelRateHz: params.mel.sampleRateHz,
    dcBlockHz: params.dcBlockHz,
    channel: 'mix',
  });
  return { pcm: toShared(pcm), ...store(entry, pcm) };
}

/** Without the cache the work is only slower. The name aside is this thread's own: copies of one recording may be decoded at the same time. */
function store(entry: string, pcm: Float32Array): Pick<DecodedClip, 'uncached'> {
  const aside = `${entry}.${process.pid}-${threadId}.part`;
  try {
    makeFolder(dirname(entry));
    writeFileSync(aside, new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength));
    renameSync(aside, entry);
    return {};
  } catch (error) {
    removeIfThere(aside);
    return { uncached: `can't write ${entry}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** Best effort: the failure that led here is the one to tell. */
function removeIfThere(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Not even its folder is there.
  }
}
