/** Worker thread that decodes, conditions and caches recordings. */
import { workerData } from 'node:worker_threads';
import { Decoders } from '../../capture/files/decoders.js';
import type { FeatureParams } from '../../features/index.js';
import { decodeClip, type ClipToDecode, type DecodedClip } from './decode-clip.js';
import { serveRequests } from './serve-requests.js';

const { params } = workerData as { params: FeatureParams };
const decoders = new Decoders();

serveRequests<ClipToDecode, DecodedClip>((clip) => decodeClip(clip, params, decoders));
