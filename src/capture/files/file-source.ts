/** Plays an audio file as a source: at its own pace, N times as fast, or as fast as the consumer allows. */
import { basename } from 'node:path';
import type { UtcNow } from '../../common/clock.js';
import { paced, type PcmReader, type Ready } from '../paced.js';
import { streamIdFrom } from '../stream-id.js';
import type { AudioSource } from '../types.js';
import { decodeFile } from './decode-file.js';
import type { DecodedAudio } from './decoded-audio.js';
import type { Decoders } from './decoders.js';

export interface FileSourceOptions {
  path: string;
  /** Default: the file's base name without extension, in the protocol's alphabet. */
  streamId?: string;
  /** Default: the file's base name. */
  title?: string;
  /** The specification it came from; default `file:PATH`. */
  spec?: string;
  /** 1 = real time (default), N = N times as fast, Infinity = as fast as `ready` allows. */
  speed?: number;
  /** Start again at the end, for ever; the sample counter goes on. */
  loop?: boolean;
  chunkMs?: number;
  /** Back-pressure at speed Infinity, see paced.ts. */
  ready?: Ready;
  now?: UtcNow;
  decoders?: Decoders;
  /** Told about files that could be read but were damaged. */
  onWarning?: (warning: string) => void;
}

/** A source that decodes `path` on each subscription. Errors as `decodeFile`, none of them retryable. */
export function fileSource(options: FileSourceOptions): AudioSource {
  const { path, speed = 1, loop = false } = options;
  const name = basename(path);
  const streamId = options.streamId ?? streamIdFrom(name.replace(/\.[^.]*$/, ''), 'file');
  const open = async (): Promise<PcmReader> => {
    const audio = await decodeFile(path, options.decoders);
    for (const warning of audio.warnings) options.onWarning?.(`${path}: ${warning}`);
    return pcmReader(audio, loop);
  };
  return {
    spec: options.spec ?? `file:${path}`,
    streamId,
    title: options.title ?? name,
    live: Number.isFinite(speed),
    open: () => paced(open, { ...options, streamId, speed }),
  };
}

/** Reads decoded audio piece by piece, once or round and round. */
export function pcmReader(audio: Pick<DecodedAudio, 'samples' | 'channels' | 'sampleRateHz'>, loop = false): PcmReader {
  const { samples, channels, sampleRateHz } = audio;
  let position = 0;
  const read = (frames: number): Float32Array => {
    const wanted = frames * channels;
    if (!loop) {
      const piece = samples.slice(position, position + wanted);
      position += piece.length;
      return piece;
    }
    const piece = new Float32Array(samples.length === 0 ? 0 : wanted);
    for (let filled = 0; filled < piece.length; ) {
      const part = samples.subarray(position, position + piece.length - filled);
      piece.set(part, filled);
      filled += part.length;
      position = (position + part.length) % samples.length;
    }
    return piece;
  };
  return { sampleRateHz, channels, read };
}
