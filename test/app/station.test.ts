/** The station: what it says of itself, the life of its streams, and its end. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/app/config.js';
import { createStation, type Station } from '../../src/app/station.js';
import { createLogger } from '../../src/common/log.js';
import { StageError } from '../../src/common/stage-error.js';
import type { ModelPackage } from '../../src/inference/model-package.js';
import { InferenceService } from '../../src/inference/service.js';
import type { StationMessage } from '../../src/protocol/messages.js';
import { checkServerMessage } from '../../src/protocol/validate.js';
import { writeHeartPackage } from '../support/heart-package.js';
import { heart, writeWav } from '../support/sounds.js';
import { until } from '../support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'stethostream-station-'));
const wav = writeWav(join(folder, 'heart.wav'), heart(5));
let model: ModelPackage;
let service: InferenceService;
const stations: Station[] = [];

beforeAll(async () => {
  model = await writeHeartPackage(join(folder, 'model'));
  service = await InferenceService.start({ model, engine: 'onnx', threads: 1 });
});
afterAll(async () => {
  for (const station of stations) station.stop();
  await service?.close();
  rmSync(folder, { recursive: true, force: true });
});

function makeStation(sources: string[], flags: Record<string, unknown> = {}) {
  const { config } = loadConfig({ flags: { source: sources, ...flags } });
  const station = createStation({ config, model, service, logger: createLogger({ level: 'silent' }) });
  stations.push(station);
  const messages: StationMessage[] = [];
  station.messages$.subscribe((message) => messages.push(message));
  return { station, messages };
}

const ids = (station: Station) => station.hello().streams.map(({ streamId }) => streamId);

describe('what it says of itself', () => {
  it('a valid hello, with the model as its manifest has it and the engine that ran', () => {
    const { station } = makeStation(['synth', `file:${wav}?speed=max`]);
    const hello = station.hello();
    expect(checkServerMessage(hello)).toMatchObject({ ok: true });
    expect(hello).toMatchObject({
      labels: ['normal', 'murmur', 'extrasystole', 'artifact', 'unknown'],
      model: { name: 'test-heart', experimentalLabels: ['extrasystole'], sampleRateHz: 2000, windowMs: 3008, hopMs: 256, nMels: 64, fMinHz: 20, fMaxHz: 950, frameHopMs: 16 },
      engine: { engine: 'onnx', device: 'cpu', threads: 1 },
      streams: [
        { streamId: 'synth', title: 'Synthesised heart (demo)', source: 'synth', live: true, state: 'starting' },
        { streamId: 'heart', title: 'heart.wav', source: `file:${wav}?speed=max`, live: false, state: 'starting' },
      ],
    });
    expect(station.health()).toEqual({ modelLoaded: true, streams: [{ streamId: 'synth', state: 'starting' }, { streamId: 'heart', state: 'starting' }] });
  });

  it('ids of its own for sources that would have the same', () => {
    mkdirSync(join(folder, 'other'), { recursive: true });
    expect(ids(makeStation(['synth', 'synth', 'synth?bpm=90', `file:${wav}`, `file:${join(folder, 'other', 'heart.flac')}`]).station)).toEqual(['synth', 'synth-2', 'synth-3', 'heart', 'heart-2']);
    const long = 'x'.repeat(80);
    const [first, second] = ids(makeStation([`file:/a/${long}.wav`, `file:/b/${long}.wav`]).station);
    expect(first).toBe('x'.repeat(64));
    expect(second).toBe(`${'x'.repeat(60)}-2`);
  });

  it.each([['gramophone', 'CAPTURE_UNKNOWN_SOURCE'], ['file:', 'CAPTURE_SOURCE_SPEC_INVALID'], ['synth:cello', 'CAPTURE_SOURCE_SPEC_INVALID']])('refuses "%s" at once (%s)', (source, code) => {
    expect(() => makeStation(['synth', source])).toThrow(StageError);
    expect(() => makeStation(['synth', source])).toThrow(expect.objectContaining({ code }));
  });

  it('a file keeps its own speed, whatever the station is set to', () => {
    const streams = (flags: Record<string, unknown>) => makeStation([`file:${wav}?speed=max`, `file:${wav}`], flags).station.hello().streams.map(({ live }) => live);
    expect(streams({})).toEqual([false, true]);
    expect(streams({ speed: 4 })).toEqual([false, true]);
  });
});

describe('the life of its streams', () => {
  it('starting, live, labels, ended, in this order; then the station has ended', async () => {
    const { station, messages } = makeStation([`file:${wav}?speed=max`]);
    station.start();
    await firstValueFrom(station.ended$);
    const kinds = messages.filter(({ type }) => type !== 'frames').map((message) => (message.type === 'status' ? message.state : message.type));
    expect(kinds).toEqual(['starting', 'live', ...Array.from({ length: 8 }, () => 'prediction'), 'ended']);
    expect(messages.every((message) => checkServerMessage(message).ok)).toBe(true);
    expect(station.health().streams).toEqual([{ streamId: 'heart', state: 'ended' }]);
    expect(station.hello().streams[0]!.state).toBe('ended');
    // Whoever asks later learns it too.
    await firstValueFrom(station.ended$);
  });

  it('plays files at the pace the station is set to', async () => {
    const { station, messages } = makeStation([`file:${wav}`], { speed: 20 });
    const startMs = performance.now();
    station.start();
    await firstValueFrom(station.ended$);
    const elapsedMs = performance.now() - startMs;
    expect(elapsedMs).toBeGreaterThan(240);
    expect(elapsedMs).toBeLessThan(2500);
    expect(messages.filter(({ type }) => type === 'prediction')).toHaveLength(8);
  });

  it('one that fails tells why, once, and the others go on; the station ends when all have', async () => {
    const { station, messages } = makeStation(['file:/nowhere.wav', `file:${wav}?speed=20`]);
    station.start();
    await firstValueFrom(station.ended$);
    const about = (streamId: string) => messages.filter((message) => message.streamId === streamId && message.type !== 'frames');
    expect(about('nowhere').map((message) => (message.type === 'status' ? message.state : message.type))).toEqual(['starting', 'error', 'failed']);
    expect(about('nowhere')[1]).toMatchObject({ code: 'CAPTURE_FILE_NOT_FOUND', remedy: 'Check the path.', retryable: false });
    expect(about('nowhere')[2]).toMatchObject({ detail: 'there is no file /nowhere.wav. Check the path.' });
    expect(about('heart').filter(({ type }) => type === 'prediction')).toHaveLength(8);
    expect(station.health().streams.map(({ state }) => state)).toEqual(['failed', 'ended']);
  });

  it('a channel that is not there fails its stream with the remedy', async () => {
    const { station, messages } = makeStation([`file:${wav}?speed=max`], { channel: 1 });
    station.start();
    await firstValueFrom(station.ended$);
    expect(messages.find(({ type }) => type === 'error')).toMatchObject({ code: 'CONDITION_CHANNEL_MISSING', streamId: 'heart', remedy: expect.stringMatching(/channel.*mix/) });
    expect(messages.at(-1)).toMatchObject({ type: 'status', state: 'failed' });
  });

  it('says nothing more once it is stopped', async () => {
    const { station, messages } = makeStation(['synth?speed=20']);
    station.start();
    await until(() => messages.some(({ type }) => type === 'prediction'), 'a label');
    station.stop();
    const count = messages.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(messages).toHaveLength(count);
  });
});
