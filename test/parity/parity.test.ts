/**
 * The live path against `classify` and against the offline features: the same recording gives the same windows, the
 * same model inputs and the same probabilities, whatever the pace.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { lastValueFrom, takeWhile, tap, toArray } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { classifyFile } from '../../src/app/commands/classify.js';
import { labelOptionsOf } from '../../src/app/model-facts.js';
import { pipeline } from '../../src/app/pipeline.js';
import { decodeFile } from '../../src/capture/files/decode-file.js';
import { createSource } from '../../src/capture/source-spec.js';
import { connect, type WebSocketConstructor } from '../../src/client/index.js';
import { conditionAll } from '../../src/condition/offline.js';
import { offlineWindows } from '../../src/features/offline.js';
import type { FeatureWindow } from '../../src/features/types.js';
import type { Prediction, ServerMessage } from '../../src/protocol/messages.js';
import { writeHeartPackage } from '../support/heart-package.js';
import { liveStation, type LiveStation } from '../support/live-station.js';
import { heart, noRealRecordings, realRecordings, writeWav } from '../support/sounds.js';

const folder = mkdtempSync(join(tmpdir(), 'stethostream-parity-'));
const model = join(folder, 'model');
/** A rate that is no multiple of the model's 2 kHz, so that the resampler's phases matter; with extrasystoles, so that windows differ. */
const synthesised = writeWav(join(folder, 'synth.wav'), heart(9, 'extrasystole', { sampleRateHz: 11_025 }), 11_025);
let station: LiveStation | undefined;

beforeAll(() => writeHeartPackage(model));
afterEach(async () => {
  await station?.close();
  station = undefined;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a file through the live station and WebSocket', () => {
  it.each(['8', 'max'])('is labelled as by classify, synthesised at 11025 Hz, speed %s', (speed) => compare(synthesised, speed));
  it.skipIf(noRealRecordings !== '').each(realRecordings.flatMap((path) => [[basename(path), '8', path], [basename(path), 'max', path]]))(
    `is labelled as by classify: %s at speed %s${noRealRecordings}`,
    (_name, speed, path) => compare(path, speed),
  );

  async function compare(path: string, speed: string): Promise<void> {
    station = await liveStation({ model, source: [`file:${path}?speed=${speed}`] });
    const offline = await classifyFile(path, station);
    const received = await playThrough(station);
    expect(received.filter(({ type }) => type === 'drop' || type === 'gap')).toEqual([]);
    const live = received.filter((message): message is Prediction => message.type === 'prediction');
    expect(offline.windows.length).toBeGreaterThan(5);
    expect(live.map(place)).toEqual(offline.windows.map(place));
    live.forEach(({ probabilities }, i) => expect(largestDifference(probabilities, offline.windows[i]!.probabilities)).toBeLessThan(1e-4));
    expect(live.map(({ label, rawLabel, quality }) => ({ label, rawLabel, reasons: quality.reasons }))).toEqual(
      offline.windows.map(({ label, rawLabel, quality }) => ({ label, rawLabel, reasons: quality.reasons })),
    );
    // Were all windows alike, agreement would prove nothing.
    const [first, ...others] = offline.windows;
    expect(Math.max(...others.map(({ probabilities }) => largestDifference(probabilities, first!.probabilities)))).toBeGreaterThan(0.01);
  }
});

describe('the inputs of the model', () => {
  it.each(['20', 'max'])('are the offline ones: synthesised, speed %s', (speed) => compare(synthesised, speed));
  it.skipIf(noRealRecordings !== '').each(realRecordings.map((path) => [basename(path), path]))(`are the offline ones: %s${noRealRecordings}`, (_name, path) => compare(path, 'max'));

  async function compare(path: string, speed: string): Promise<void> {
    station = await liveStation({ model, source: ['synth'] });
    const { service, config } = station;
    const { features } = station.model.manifest;
    const windows: FeatureWindow[] = [];
    const source = createSource(`file:${path}?speed=${speed}`, { ready: () => service.ready() });
    await lastValueFrom(
      pipeline(source.open(), {
        features,
        channel: 'mix',
        labels: labelOptionsOf(station.model.manifest, config.labels),
        infer: (windows$) => service.infer(windows$, { lossless: true }),
        display: true,
        onWindow: (window) => windows.push(window),
      }),
    );
    const audio = await decodeFile(path);
    const pcm = conditionAll(audio.samples, audio.channels, audio.sampleRateHz, { modelRateHz: features.mel.sampleRateHz, dcBlockHz: features.dcBlockHz, channel: 'mix' });
    const offline = [...offlineWindows(pcm, features)];
    const where = ({ seq, startSample, endSample }: FeatureWindow) => ({ seq, startSample, endSample });
    expect(offline.length).toBeGreaterThan(5);
    expect(windows.map(where)).toEqual(offline.map(where));
    windows.forEach(({ input }, i) => expect(maxDifference(input, offline[i]!.input)).toBeLessThan(1e-5));
    expect(maxDifference(windows[0]!.input, windows[5]!.input)).toBeGreaterThan(0.1);
  }
});

/** Joins by the client library, then lets the sources run; everything until the stream has ended. */
async function playThrough({ station: running, stream }: LiveStation): Promise<ServerMessage[]> {
  const client = connect(stream, { WebSocket: WebSocket as unknown as WebSocketConstructor });
  const violations: unknown[] = [];
  client.violations$.subscribe((violation) => violations.push(violation));
  const received = lastValueFrom(
    client.messages$.pipe(
      tap((message) => message.type === 'hello' && setImmediate(() => running.start())),
      takeWhile((message) => !(message.type === 'status' && ['ended', 'failed'].includes(message.state))),
      toArray(),
    ),
  );
  const messages = await received;
  expect(violations).toEqual([]);
  return messages;
}

const place = ({ seq, window }: Prediction) => ({ seq, startSample: window.startSample, endSample: window.endSample, sampleRateHz: window.sampleRateHz });

function largestDifference(a: Record<string, number>, b: Record<string, number>): number {
  return Math.max(...Object.keys({ ...a, ...b }).map((label) => Math.abs(a[label]! - b[label]!)));
}

function maxDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((max, x, i) => Math.max(max, Math.abs(x - b[i]!)), 0);
}

