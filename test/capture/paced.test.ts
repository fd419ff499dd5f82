import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fileSource, pcmReader } from '../../src/capture/files/file-source.js';
import { decodeFile } from '../../src/capture/files/decode-file.js';
import { MAX_LAG_MS, paced } from '../../src/capture/paced.js';
import type { AudioChunk, CaptureItem } from '../../src/capture/types.js';
import { packageRoot } from '../../src/common/paths.js';

const heart = join(packageRoot, 'test', 'capture', 'fixtures', 'heart-stereo.wav');
const ramp = (n: number) => ({ samples: Float32Array.from({ length: n }, (_, i) => i), channels: 1, sampleRateHz: 1000 });
const joined = (chunks: CaptureItem[]) => chunks.flatMap((c) => (c.kind === 'chunk' ? [...c.samples] : []));

describe('paced, in real time', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const now = () => Date.now();

  it('sends 10 ms chunks, each at the time its last sample is due', async () => {
    const start = Date.now();
    const chunks: AudioChunk[] = [];
    const arrivals: number[] = [];
    paced(() => pcmReader(ramp(95)), { streamId: 's', now, chunkMs: 10 }).subscribe((item) => {
      chunks.push(item as AudioChunk);
      arrivals.push(Date.now() - start);
    });
    await vi.advanceTimersByTimeAsync(200);
    expect(chunks.map((c) => c.startSample)).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
    expect(chunks.map((c) => c.capturedAtMs - start)).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 95]);
    expect(arrivals).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    expect(joined(chunks)).toEqual([...ramp(95).samples]);
  });

  it('sends chunks of 2 ms unless told otherwise: a live label waits for no more', async () => {
    const starts: number[] = [];
    const subscription = paced(() => pcmReader(ramp(95)), { streamId: 's', now }).subscribe((item) => starts.push(item.startSample));
    await vi.advanceTimersByTimeAsync(9);
    subscription.unsubscribe();
    expect(starts).toEqual([0, 2, 4, 6]);
  });

  it('does not drift although 2 ms are no whole number of samples and timers are late', async () => {
    const start = Date.now();
    let last = 0;
    const reader = { sampleRateHz: 44_123, channels: 1, read: (n: number) => new Float32Array(n) };
    const subscription = paced(() => reader, { streamId: 's', now }).subscribe((item) => (last = item.startSample + (item as AudioChunk).samples.length));
    for (let i = 0; i < 200; i++) {
      await vi.advanceTimersByTimeAsync(47);
      const due = ((Date.now() - start) / 1000) * 44_123;
      expect(due - last).toBeGreaterThanOrEqual(0);
      expect(due - last).toBeLessThan(2.2 * 441);
    }
    subscription.unsubscribe();
  });

  it('plays N times as fast', async () => {
    const chunks: CaptureItem[] = [];
    const subscription = paced(() => pcmReader(ramp(1000)), { streamId: 's', now, speed: 5 }).subscribe((item) => chunks.push(item));
    await vi.advanceTimersByTimeAsync(100);
    subscription.unsubscribe();
    expect(joined(chunks).length).toBe(500);
  });

  it('slips rather than floods after the process was suspended', async () => {
    let clock = 0;
    const chunks: AudioChunk[] = [];
    const subscription = paced(() => pcmReader(ramp(100_000)), { streamId: 's', now: () => clock, chunkMs: 10 }).subscribe((item) => chunks.push(item as AudioChunk));
    await vi.advanceTimersByTimeAsync(0);
    clock = 10;
    await vi.advanceTimersByTimeAsync(10);
    expect(chunks.length).toBe(1);
    clock += 60_000;
    await vi.advanceTimersByTimeAsync(10);
    expect(chunks.length).toBeLessThan(MAX_LAG_MS / 10);
    expect(chunks.at(-1)!.capturedAtMs).toBeGreaterThan(59_000);
    expect(joined(chunks)).toEqual(Array.from({ length: joined(chunks).length }, (_, i) => i));
    subscription.unsubscribe();
  });

  it('stops when unsubscribed, and leaves no timer', async () => {
    const subscription = paced(() => pcmReader(ramp(100_000)), { streamId: 's', now }).subscribe();
    await vi.advanceTimersByTimeAsync(50);
    subscription.unsubscribe();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('paced, as fast as possible', () => {
  it('is held back by the consumer', async () => {
    let allowed = 3;
    let release: (() => void) | undefined;
    const ready = () => (allowed-- > 0 ? undefined : new Promise<void>((resolve) => (release = resolve)));
    const chunks: CaptureItem[] = [];
    const subscription = paced(() => pcmReader(ramp(100_000)), { streamId: 's', speed: Infinity, ready }).subscribe((item) => chunks.push(item));
    await sleep(50);
    expect(chunks.length).toBe(3);
    allowed = 2;
    release!();
    await sleep(50);
    expect(chunks.length).toBe(6);
    subscription.unsubscribe();
    release!();
    await sleep(20);
    expect(chunks.length).toBe(6);
  });

  it('lets other work run between chunks', async () => {
    let ticks = 0;
    let running = true;
    const tick = () => setImmediate(() => { ticks++; if (running) tick(); });
    tick();
    const chunks = await lastValueFrom(paced(() => pcmReader(ramp(20_000)), { streamId: 's', speed: Infinity }).pipe(toArray()));
    running = false;
    expect(chunks.length).toBe(200);
    expect(ticks).toBeGreaterThan(190);
  });

  it('turns whatever the reader throws into a StageError', async () => {
    const reader = { sampleRateHz: 1000, channels: 1, read: (): Float32Array => { throw new Error('broken'); } };
    await expect(firstValueFrom(paced(() => reader, { streamId: 's', speed: Infinity }))).rejects.toMatchObject({ code: 'CAPTURE_SOURCE_FAILED', streamId: 's', message: 'broken' });
    await expect(firstValueFrom(paced(() => reader, { streamId: 's', speed: 10 }))).rejects.toMatchObject({ code: 'CAPTURE_SOURCE_FAILED' });
  });
});

describe('fileSource', () => {
  it('gives the whole file, counted per channel', async () => {
    const audio = await decodeFile(heart);
    const chunks = await lastValueFrom(fileSource({ path: heart, speed: Infinity, chunkMs: 70 }).open().pipe(toArray()));
    expect(joined(chunks)).toEqual([...audio.samples]);
    let next = 0;
    for (const chunk of chunks as AudioChunk[]) {
      expect(chunk).toMatchObject({ streamId: 'heart-stereo', channels: 2, sampleRateHz: 8000, startSample: next });
      next += chunk.samples.length / 2;
    }
    expect(next).toBe(12_000);
  });

  it('loops without a seam in the counter', async () => {
    const audio = await decodeFile(heart);
    const chunks = await lastValueFrom(fileSource({ path: heart, speed: Infinity, loop: true }).open().pipe(take(40), toArray()));
    expect(chunks.map((c) => c.startSample)).toEqual(Array.from({ length: 40 }, (_, i) => 800 * i));
    expect(joined(chunks).slice(24_000, 24_100)).toEqual([...audio.samples.subarray(0, 100)]);
  });

  it('emits buffers that the receiver may write to', async () => {
    const chunks = await lastValueFrom(fileSource({ path: heart, speed: Infinity, loop: true }).open().pipe(take(20), toArray()));
    for (const chunk of chunks as AudioChunk[]) chunk.samples.fill(NaN);
    const again = await lastValueFrom(fileSource({ path: heart, speed: Infinity }).open().pipe(toArray()));
    expect(joined(again).every(Number.isFinite)).toBe(true);
  });

  it('gives the error of a missing file to each subscriber', async () => {
    const source = fileSource({ path: '/nowhere/x.wav', speed: Infinity });
    await expect(firstValueFrom(source.open())).rejects.toMatchObject({ code: 'CAPTURE_FILE_NOT_FOUND', streamId: 'x', retryable: false });
  });
});

describe('pcmReader', () => {
  it('gives every sample once, in pieces of any size', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 3 }), (frames, piece, channels) => {
        const samples = Float32Array.from({ length: frames * channels }, (_, i) => i);
        const reader = pcmReader({ samples, channels, sampleRateHz: 1 });
        const out: number[] = [];
        for (let part = reader.read(piece); part.length > 0; part = reader.read(piece)) out.push(...part);
        expect(out).toEqual([...samples]);
      }),
    );
  });
});
