/** A microphone that is not there, beside a good stream. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { join as joinStream, stopAll } from '../serve/harness.js';
import { writeHeartPackage } from '../support/heart-package.js';
import { liveStation, type LiveStation } from '../support/live-station.js';
import { until } from '../support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'stethostream-nomic-'));
let live: LiveStation | undefined;
afterAll(async () => {
  await stopAll();
  await live?.close();
  rmSync(folder, { recursive: true, force: true });
});

it('is told with a remedy, tried again where that may help, and no trouble for the other stream', async () => {
  await writeHeartPackage(join(folder, 'model'));
  live = await liveStation({ model: join(folder, 'model'), source: ['mic:no such microphone', 'synth?speed=4'] });
  const subscriber = await joinStream(live.stream);
  live.station.start();
  const errors = () => subscriber.of('error').filter(({ streamId }) => streamId === 'mic-no-such-microphone');
  const states = () => subscriber.of('status').flatMap(({ streamId, state }) => (streamId === 'mic-no-such-microphone' ? [state] : []));
  // Where naudiodon is not built the stream has failed for good; where it is, the microphone may be plugged in later.
  await until(() => errors().length >= (errors()[0]?.retryable === true ? 2 : 1), 'the error, and another attempt');
  const missing = errors()[0]!.code === 'CAPTURE_PORTAUDIO_MISSING';
  expect(errors()[0]).toMatchObject({ stage: 'capture', code: missing ? 'CAPTURE_PORTAUDIO_MISSING' : 'CAPTURE_DEVICE_NOT_FOUND', remedy: expect.stringMatching(missing ? /setup:audio/ : /\w/), retryable: !missing });
  if (!missing) expect(errors()[0]!.message).toContain('no such microphone');
  expect(new Set(states())).toEqual(new Set(missing ? ['starting', 'failed'] : ['starting', 'recovering']));
  await until(() => subscriber.of('prediction').length > 4, 'labels of the other stream');
  expect(subscriber.of('prediction').map(({ seq, streamId }) => [streamId, seq])).toEqual(subscriber.of('prediction').map((_, i) => ['synth', i]));
  expect((await fetch(`${live.url}/readyz`)).status).toBe(200);
});
