/** The engine's worker dies under a running station: it is restarted, the log says so, and every window is accounted for. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { classifyFile } from '../../src/app/commands/classify.js';
import type { InferenceService } from '../../src/inference/service.js';
import type { ToWorker } from '../../src/inference/worker-messages.js';
import { join as joinStream, stopAll } from '../serve/harness.js';
import { writeHeartPackage } from '../support/heart-package.js';
import { liveStation, type LiveStation } from '../support/live-station.js';
import { heart, writeWav } from '../support/sounds.js';
import { until } from '../support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'stethostream-engine-'));
const model = join(folder, 'model');
let live: LiveStation | undefined;

beforeAll(() => writeHeartPackage(model));
afterEach(async () => {
  await stopAll();
  await live?.close();
  live = undefined;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Has the worker thread end when nobody expects it; what was sent to it later is never answered. (Ended by force while it computes, it could take this process with it.) */
async function kill(service: InferenceService): Promise<void> {
  const { worker } = (service as unknown as { worker: { worker: Worker } }).worker;
  worker.postMessage({ kind: 'close' } satisfies ToWorker);
  await once(worker, 'exit');
}

it('labels go on in order; what was in flight is run again or told as dropped', async () => {
  live = await liveStation({ model, source: ['synth?speed=8', 'synth:murmur?speed=8'] });
  const { station, service, log } = live;
  const subscriber = await joinStream(live.stream);
  station.start();
  await until(() => subscriber.of('prediction').length > 10, 'labels');
  for (let death = 1; death <= 2; death++) {
    await kill(service);
    await until(() => log.filter(({ msg, restarts }) => msg === 'engine ready' && restarts === death).length === 1, `restart ${death}`);
    const count = subscriber.of('prediction').length;
    await until(() => subscriber.of('prediction').length > count + 10, 'labels after it');
  }
  expect(log.filter(({ code }) => code === 'INFERENCE_WORKER_DIED')).toHaveLength(2);
  for (const streamId of ['synth', 'synth-murmur']) {
    const seqs = subscriber.of('prediction').flatMap((prediction) => (prediction.streamId === streamId ? [prediction.seq] : []));
    const dropped = subscriber.of('drop').flatMap((drop) => (drop.streamId === streamId ? [drop.count] : [])).reduce((sum, count) => sum + count, 0);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    expect(seqs.at(-1)! + 1).toBe(seqs.length + dropped);
  }
  expect(subscriber.of('status').filter(({ state }) => state === 'failed')).toEqual([]);
});

it('a file replayed at full speed loses nothing and is labelled as ever', async () => {
  const wav = writeWav(join(folder, 'long.wav'), heart(60));
  live = await liveStation({ model, source: [`file:${wav}?speed=max`] });
  const { station, service } = live;
  const expected = await classifyFile(wav, live);
  const subscriber = await joinStream(live.stream);
  station.start();
  await until(() => subscriber.of('prediction').length > 20, 'labels');
  await kill(service);
  expect(subscriber.of('prediction').length).toBeLessThan(expected.windows.length);
  await until(() => subscriber.of('status').some(({ state }) => state === 'ended'), 'the end');
  const labels = subscriber.of('prediction');
  expect(labels.map(({ seq }) => seq)).toEqual(expected.windows.map(({ seq }) => seq));
  labels.forEach(({ probabilities }, i) => {
    for (const [label, p] of Object.entries(probabilities)) expect(Math.abs(p - expected.windows[i]!.probabilities[label]!)).toBeLessThan(1e-4);
  });
});
