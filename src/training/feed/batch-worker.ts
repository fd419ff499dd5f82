/** Worker thread that makes mini-batches; a batch depends on its step alone, so any worker may make any. */
import { workerData } from 'node:worker_threads';
import { createSampler, type Batch } from '../sampler.js';
import type { BatchWorkerData } from './batch-feed.js';
import { serveRequests } from './serve-requests.js';

const { clips, params, options } = workerData as BatchWorkerData;
const sampler = createSampler(clips, params, options);

serveRequests<number, Batch>((step) => sampler.batch(step));
