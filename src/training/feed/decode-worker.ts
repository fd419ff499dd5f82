/** Worker thread that decodes, conditions and caches recordings. */
import { workerData } from 'node:worker_threads';
import { Decoders } from '../../capture/files/decoders.js';
import type { FeatureParams } from '../../features/index.js';
import { decodeClip, type ClipToDecode } from './decode-clip.js';
import { serveRequests } from './serve-requests.js';

const { params } = workerData as { params: FeatureParams };
const decoders = new Decoders();

serveRequests<ClipToDecode, { pcm: Float32Array }>(async (clip) => ({ pcm: await decodeClip(clip, params, decoders) }));
