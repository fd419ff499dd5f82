import { describe, expect, it } from 'vitest';
import type { Frames } from '../../../src/protocol/messages.js';
import { Display, DISPLAY_DB } from '../../../src/app/display.js';
import { heartFeatures, melDecibels } from '../../../src/features/index.js';
import { base64ToBytes, decodeFrames } from '../../../web/data/decode-frames.js';
import { columnHop, LIVE_SECONDS, LiveBuffer } from '../../../web/data/live-buffer.js';
import { LiveStore } from '../../../web/data/live-store.js';

const { sampleRateHz, hopLength, nMels } = heartFeatures.mel;

/** What a station sends for a tone, by the code that sends it. */
function framesOfTone(seconds: number): { message: Frames; pcm: Float32Array; melDb: Float32Array } {
  const pcm = Float32Array.from({ length: seconds * sampleRateHz }, (_, i) => 0.5 * Math.sin((2 * Math.PI * 200 * i) / sampleRateHz));
  const melDb = melDecibels(pcm, heartFeatures);
  const display = new Display(sampleRateHz);
  display.listen({ kind: 'chunk', streamId: 's', samples: pcm, sampleRateHz, startSample: 0, capturedAtMs: 0, clippedSamples: 0, nonFiniteSamples: 0 });
  const message = display.message({ kind: 'frames', streamId: 's', startSample: 0, melDb, columns: melDb.length / nMels, nMels });
  return { message, pcm, melDb };
}

const small: Frames = {
  type: 'frames',
  streamId: 's',
  startSample: 64,
  sampleRateHz: 2000,
  nMels: 2,
  columns: 3,
  minDb: -100,
  maxDb: 0,
  melDb: Buffer.from([0, 255, 51, 102, 153, 204]).toString('base64'),
  waveform: { startSample: 64, samplesPerPair: 10, pairs: [-0.5, 0.5] },
};

describe('base64', () => {
  it('gives back every byte', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(base64ToBytes(Buffer.from(bytes).toString('base64'))).toEqual(bytes);
    expect(base64ToBytes('')).toEqual(new Uint8Array(0));
  });
});

describe('decoding', () => {
  it('maps bytes to decibels linearly', () => {
    expect([...decodeFrames(small).melDb]).toEqual([-100, 0, -80, -60, -40, -20].map(Math.fround));
  });

  it('recovers what the station measured, within half a step of the bytes', () => {
    const { message, pcm, melDb } = framesOfTone(2);
    const decoded = decodeFrames(message);
    const halfStep = (DISPLAY_DB.max - DISPLAY_DB.min) / 255 / 2;
    melDb.forEach((db, i) => {
      const shown = Math.min(DISPLAY_DB.max, Math.max(DISPLAY_DB.min, db));
      expect(Math.abs(decoded.melDb[i]! - shown)).toBeLessThanOrEqual(halfStep + 1e-4);
    });
    expect(decoded.pairs.length).toBe((2 * pcm.length) / decoded.samplesPerPair);
    expect(Math.max(...decoded.pairs)).toBeCloseTo(Math.max(...pcm), 3);
  });

  it.each([
    ['too few bytes', { melDb: 'AAAA' }, /3 bytes, not 6/],
    ['no base64', { melDb: '***' }, /./],
    ['an empty range', { minDb: 0, maxDb: 0 }, /from 0 to 0 dB/],
    ['half a pair', { waveform: { ...small.waveform, pairs: [1] } }, /not pairs/],
    ['a rate of 0', { sampleRateHz: 0 }, /0 Hz/],
    ['a size beyond reason', { columns: 1e9 }, /1000000000/],
  ])('refuses %s', (_what, change, message) => {
    expect(() => decodeFrames({ ...small, ...change })).toThrow(message);
  });
});

describe('live buffer', () => {
  it('puts columns and waveform on one sample counter', () => {
    const data = decodeFrames(framesOfTone(3).message);
    const store = new LiveStore();
    store.write(data, columnHop(16, sampleRateHz));
    const buffer = store.get('s')!;
    expect(buffer.format.columnHopSamples).toBe(hopLength);
    expect(buffer.columns.at(7, 3)).toBe(data.melDb[7 * nMels + 3]);
    expect(buffer.waves.at(5, 1)).toBe(data.pairs[11]);
    expect(buffer.endSample).toBeGreaterThanOrEqual(3 * sampleRateHz);
    expect(buffer.endSample).toBeLessThan(3 * sampleRateHz + 2 * hopLength);
  });

  it('holds the live seconds and no more', () => {
    const buffer = new LiveBuffer({ sampleRateHz, nMels, columnHopSamples: hopLength, samplesPerPair: 10 });
    expect(buffer.columns.capacity * hopLength).toBeGreaterThanOrEqual(LIVE_SECONDS * sampleRateHz);
    expect(buffer.columns.capacity * hopLength).toBeLessThan((LIVE_SECONDS + 1) * sampleRateHz);
  });

  it('starts a new epoch when the station restarts and counts from 0', () => {
    const store = new LiveStore();
    const data = decodeFrames(small);
    store.write({ ...data, startSample: 32_000, waveStartSample: 32_000 }, 32);
    store.write({ ...data, startSample: 0, waveStartSample: 0 }, 32);
    const buffer = store.get('s')!;
    expect([buffer.epoch, buffer.columns.end]).toEqual([1, 3]);
  });

  it('begins anew when the format changes', () => {
    const store = new LiveStore();
    store.write(decodeFrames(small), 32);
    const first = store.get('s');
    store.write({ ...decodeFrames(small), samplesPerPair: 20 }, 32);
    expect(store.get('s')).not.toBe(first);
  });

  it('refuses a format that would eat the memory', () => {
    const data = decodeFrames(small);
    expect(() => new LiveStore().write({ ...data, nMels: 100_000 }, 32)).toThrow(/limit 4000000/);
    expect(() => new LiveStore().write({ ...data, sampleRateHz: 1e9 }, 32)).toThrow(/limit 4000000/);
  });

  it('keeps only the streams that were written last', () => {
    const store = new LiveStore();
    for (let i = 0; i < 32; i += 1) store.write({ ...decodeFrames(small), streamId: `s${String(i)}` }, 32);
    const kept = Array.from({ length: 32 }, (_, i) => i).filter((i) => store.get(`s${String(i)}`) !== undefined);
    expect(kept).toEqual([28, 29, 30, 31]);
  });
});
