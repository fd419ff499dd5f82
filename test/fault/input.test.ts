/**
 * Bad recordings in one station, beside a good stream: each ends in labels, in `unknown` with its reason, or in an error
 * with remedy, for subscribers to see; the good stream never notices.
 */
import { mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorMessage, Prediction, QualityReason } from '../../src/protocol/messages.js';
import { int16Bytes, wavBytes } from '../capture/wav-bytes.js';
import { join as joinStream, stopAll, Subscriber } from '../serve/harness.js';
import { writeHeartPackage } from '../support/heart-package.js';
import { liveStation, type LiveStation } from '../support/live-station.js';
import { heart, writeFloatWav, writeWav } from '../support/sounds.js';
import { until } from '../support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'stethostream-fault-'));
const RATE_HZ = 4000;
const sound = heart(5);
const integers = int16Bytes(Array.from(sound, (x) => Math.round(x * 32767)));

/** Files that become streams named after them. */
const files: Record<string, (path: string) => void> = {
  mono: (path) => writeWav(path, sound),
  // The header states 5 s, the last 2 s are missing.
  truncated: (path) => writeFileSync(path, wavBytes({ bits: 16, sampleRateHz: RATE_HZ, data: integers.subarray(0, integers.length * 0.6), statedSize: integers.length })),
  'states-nothing': (path) => writeFileSync(path, wavBytes({ bits: 16, sampleRateHz: RATE_HZ, data: integers, statedSize: 0 })),
  'states-4-gb': (path) => writeFileSync(path, wavBytes({ bits: 16, sampleRateHz: RATE_HZ, data: integers, statedSize: 0xffffffff })),
  stereo: (path) => writeWav(path, Float32Array.from({ length: 2 * sound.length }, (_, i) => sound[i >> 1]!), RATE_HZ, { channels: 2 }),
  'rate-192k': (path) => writeWav(path, heart(4, 'murmur', { sampleRateHz: 192_000 }), 192_000),
  silence: (path) => writeWav(path, new Float32Array(4 * RATE_HZ)),
  clipping: (path) => writeWav(path, sound.map((x) => 60 * x)),
  nan: (path) => writeFloatWav(path, sound.map((x, i) => (i % 20 < 3 ? [NaN, Infinity, -Infinity][i % 20]! : x))),
  'all-nan': (path) => writeFloatWav(path, sound.map(() => NaN)),
  'one-sample': (path) => writeWav(path, [0.5]),
  'one-second': (path) => writeWav(path, sound.slice(0, RATE_HZ / 2)),
  'zero-length': (path) => writeFileSync(path, ''),
  'header-only': (path) => writeFileSync(path, wavBytes({ bits: 16, data: new Uint8Array(0) })),
  'half-a-header': (path) => writeFileSync(path, wavBytes({ bits: 16, data: integers }).subarray(0, 30)),
  'no-channels': (path) => writeFileSync(path, wavBytes({ bits: 16, channels: 0, blockAlign: 2, data: integers })),
  'rate-of-0': (path) => writeFileSync(path, wavBytes({ bits: 16, sampleRateHz: 0, data: integers })),
  'no-sound-at-all': (path) => writeFileSync(path, 'Dear reader, this is a letter.'),
  'a-folder': (path) => mkdirSync(path),
  removed: (path) => writeWav(path, sound),
};

let live: LiveStation;
let subscriber: Subscriber;

beforeAll(async () => {
  await writeHeartPackage(join(folder, 'model'));
  const paths = Object.entries(files).map(([name, write]) => {
    const path = join(folder, `${name}.wav`);
    write(path);
    return path;
  });
  live = await liveStation({ model: join(folder, 'model'), source: ['synth:normal?speed=4', ...paths.map((path) => `file:${path}?speed=max`), 'file:/nowhere/at-all.wav'] });
  unlinkSync(join(folder, 'removed.wav'));
  subscriber = await joinStream(live.stream);
  live.station.start();
  await until(() => finalStates().length === Object.keys(files).length + 1, 'the end of every file', 40_000);
}, 60_000);
afterAll(async () => {
  await stopAll();
  await live?.close();
  rmSync(folder, { recursive: true, force: true });
});

const finalStates = () => subscriber.of('status').filter(({ state }) => state === 'ended' || state === 'failed');
const stateOf = (streamId: string) => finalStates().find((status) => status.streamId === streamId)?.state;
const labelsOf = (streamId: string) => subscriber.of('prediction').filter((prediction) => prediction.streamId === streamId);
const errorsOf = (streamId: string) => subscriber.of('error').filter((error) => error.streamId === streamId);

describe('damaged but audible: labelled', () => {
  it.each([['truncated', 3], ['states-nothing', 5], ['states-4-gb', 5], ['stereo', 5]])('%s', (streamId, seconds) => {
    expect(stateOf(streamId)).toBe('ended');
    expect(errorsOf(streamId)).toEqual([]);
    // Too short for a whole window (3.008 s), the truncated one gives a single, filled-up one.
    expect(labelsOf(streamId)).toHaveLength(seconds === 5 ? 8 : 1);
    if (seconds === 5) labelsOf(streamId).forEach((prediction, i) => expectSame(prediction, labelsOf('mono')[i]!));
    expect(labelsOf(streamId).every(({ label }) => label !== 'unknown')).toBe(true);
  });

  function expectSame(a: Prediction, b: Prediction): void {
    expect(a.window.endSample).toBe(b.window.endSample);
    for (const [label, p] of Object.entries(a.probabilities)) expect(Math.abs(p - b.probabilities[label]!)).toBeLessThan(1e-3);
  }

  it('192 kHz', () => {
    expect(stateOf('rate-192k')).toBe('ended');
    // 4 s are 251 frames: 4 windows, at the model's rate.
    expect(labelsOf('rate-192k')).toHaveLength(4);
    for (const { label, window } of labelsOf('rate-192k')) expect({ known: label !== 'unknown', rate: window.sampleRateHz }).toEqual({ known: true, rate: 2000 });
  });

  it('and the log tells what was wrong with the files', () => {
    const warnings = live.log.filter(({ level }) => level === 40).map(({ msg }) => String(msg)).join('\n');
    expect(warnings).toMatch(/truncated\.wav: the header states 40000 bytes of data, the file holds 24000/);
    expect(warnings).toMatch(/states-nothing\.wav: the header states no data/);
    expect(warnings).toMatch(/states-4-gb\.wav: the header leaves the length open/);
  });
});

describe('nothing to classify: unknown, with the reason', () => {
  it.each<[string, QualityReason, number]>([
    ['silence', 'silence', 4],
    ['clipping', 'clipping', 8],
    ['nan', 'non-finite', 8],
    ['all-nan', 'non-finite', 8],
    ['one-sample', 'short', 1],
    ['one-second', 'short', 1],
  ])('%s → %s', (streamId, reason, count) => {
    expect(stateOf(streamId)).toBe('ended');
    expect(errorsOf(streamId)).toEqual([]);
    expect(labelsOf(streamId)).toHaveLength(count);
    for (const { label, quality, probabilities } of labelsOf(streamId)) {
      expect(label).toBe('unknown');
      expect(quality.reasons).toContain(reason);
      expect(quality.score).toBeLessThan(0.5);
      expect(Object.values(probabilities).every((p) => p >= 0 && p <= 1)).toBe(true);
    }
  });
});

describe('nothing to read: failed, with an error and its remedy', () => {
  it.each<[string, string, RegExp]>([
    ['zero-length', 'CAPTURE_FILE_EMPTY', /zero-length\.wav has 0 bytes/],
    ['header-only', 'CAPTURE_FILE_EMPTY', /header-only\.wav is a WAV file without samples/],
    ['half-a-header', 'CAPTURE_FILE_CORRUPT', /half-a-header\.wav is not a readable WAV file/],
    ['no-channels', 'CAPTURE_FILE_CORRUPT', /states 0 channels \(1 to 64 are possible\)/],
    ['rate-of-0', 'CAPTURE_FILE_CORRUPT', /states a rate of 0 Hz/],
    ['no-sound-at-all', 'CAPTURE_FILE_UNSUPPORTED', /starts with 44 65 61 72/],
    ['a-folder', 'CAPTURE_FILE_UNREADABLE', /it is a folder/],
    ['removed', 'CAPTURE_FILE_NOT_FOUND', /there is no file .*removed\.wav/],
    ['at-all', 'CAPTURE_FILE_NOT_FOUND', /there is no file \/nowhere\/at-all\.wav/],
  ])('%s → %s', (streamId, code, says) => {
    expect(stateOf(streamId)).toBe('failed');
    expect(labelsOf(streamId)).toEqual([]);
    expect(errorsOf(streamId)).toEqual([expect.objectContaining({ code, stage: 'capture', retryable: false, message: expect.stringMatching(says), remedy: expect.stringMatching(/\w+ .*\.$/) } satisfies Partial<Record<keyof ErrorMessage, unknown>>)]);
    expect(finalStates().find((status) => status.streamId === streamId)!.detail).toMatch(says);
  });
});

it('the good stream has all its labels, before and after, and the station is ready', async () => {
  const count = labelsOf('synth-normal').length;
  await until(() => labelsOf('synth-normal').length > count + 3, 'more labels');
  const good = labelsOf('synth-normal');
  const dropped = subscriber.of('drop').filter(({ streamId }) => streamId === 'synth-normal').length;
  expect(good.at(-1)!.seq + 1).toBe(good.length + dropped);
  expect(errorsOf('synth-normal')).toEqual([]);
  expect(stateOf('synth-normal')).toBeUndefined();
  const ready = await fetch(`${live.url}/readyz`);
  expect(ready.status).toBe(200);
  const { streams } = (await ready.json()) as { streams: { streamId: string; state: string }[] };
  expect(streams.find(({ streamId }) => streamId === 'synth-normal')).toEqual({ streamId: 'synth-normal', state: 'live' });
  expect(streams.find(({ streamId }) => streamId === 'removed')).toEqual({ streamId: 'removed', state: 'failed' });
});
