/** Decodes recordings in worker threads, or on the calling thread: the same result. */
import { Decoders } from '../../capture/files/decoders.js';
import { builtModule } from '../../common/paths.js';
import type { FeatureParams } from '../../features/index.js';
import { decodeClip, type ClipToDecode, type DecodedClip } from './decode-clip.js';
import { WorkerPool } from './worker-pool.js';

export interface ClipDecoder {
  /** Conditioned mono PCM, now also in the file `entry` unless it says otherwise. Throws as decodeClip, with workers also as WorkerPool.run. */
  decode(bytes: Uint8Array, path: string, entry: string): Promise<DecodedClip>;
  /** Frees codecs or ends workers. */
  close(): Promise<void>;
}

/** Workers (0 = none) start with the first recording that is to be decoded. */
export function openClipDecoder(params: FeatureParams, workers: number): ClipDecoder {
  return workers === 0 ? inThread(params) : inWorkers(params, workers);
}

function inThread(params: FeatureParams): ClipDecoder {
  const decoders = new Decoders();
  return {
    decode: (bytes, path, entry) => decodeClip({ bytes, path, entry }, params, decoders),
    close: async () => decoders.close(),
  };
}

function inWorkers(params: FeatureParams, workers: number): ClipDecoder {
  const pool = new WorkerPool<ClipToDecode, DecodedClip>({ entry: builtModule('training/feed/decode-worker'), workers, data: { params }, name: 'decoding' });
  return {
    decode: (bytes, path, entry) => pool.run({ bytes, path, entry }),
    close: () => pool.close(),
  };
}
