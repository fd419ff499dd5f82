/** The pipeline from PCM to messages with a real engine: gaps, display data, ends and failures. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concat, EMPTY, from, lastValueFrom, Observable, take, tap, throwError, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DISPLAY_DB } from '../../src/app/display.js';
import { pipeline, type PipelineOptions } from '../../src/app/pipeline.js';
import type { CaptureItem } from '../../src/capture/types.js';
import { heartFeatures } from '../../src/features/presets.js';
import type { FeatureWindow } from '../../src/features/types.js';
import { InferenceService } from '../../src/inference/service.js';
import type { Gap, Prediction, StationMessage } from '../../src/protocol/messages.js';
import { checkServerMessage } from '../../src/protocol/validate.js';
import { HEART_LABELS, writeHeartPackage } from '../support/heart-package.js';
import { heart } from '../support/sounds.js';

const folder = mkdtempSync(join(tmpdir(), 'stethostream-pipeline-'));
const RATE_HZ = 4000;
const CHUNK = 40;
const sound = heart(12);
let service: InferenceService;

beforeAll(async () => {
  service = await InferenceService.start({ model: await writeHeartPackage(join(folder, 'model')), engine: 'onnx', threads: 1 });
});
afterAll(async () => {
  await service?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Sound from `start` to `end` seconds as chunks of 10 ms; sample n was captured at n / 4 ms. */
function chunks(startSeconds: number, endSeconds: number): CaptureItem[] {
  const items: CaptureItem[] = [];
  for (let startSample = startSeconds * RATE_HZ; startSample < endSeconds * RATE_HZ; startSample += CHUNK) {
    const samples = sound.slice(startSample, startSample + CHUNK);
    items.push({ kind: 'chunk', streamId: 's', samples, channels: 1, sampleRateHz: RATE_HZ, startSample, capturedAtMs: (startSample + CHUNK) / 4 });
  }
  return items;
}

function gap(startSeconds: number, endSeconds: number): CaptureItem {
  const lengthSamples = (endSeconds - startSeconds) * RATE_HZ;
  return { kind: 'gap', streamId: 's', sampleRateHz: RATE_HZ, startSample: startSeconds * RATE_HZ, lengthSamples, reason: 'overrun', capturedAtMs: endSeconds * 1000 };
}

function run(items$: Observable<CaptureItem>, over: Partial<PipelineOptions> = {}): Observable<StationMessage> {
  return pipeline(items$, {
    features: heartFeatures,
    channel: 'mix',
    labels: { labels: HEART_LABELS, model: { name: 'test-heart', version: '0.0.1' }, unknownBelow: 0, now: () => 1e6 },
    infer: (windows$) => service.infer(windows$, { lossless: true }),
    display: false,
    ...over,
  });
}

const all = (messages$: Observable<StationMessage>) => lastValueFrom(messages$.pipe(toArray()), { defaultValue: [] });
const predictionsOf = (messages: StationMessage[]) => messages.filter((message): message is Prediction => message.type === 'prediction');

describe('pipeline', () => {
  it('labels every window, tells of each before inference, and completes when the last one is labelled', async () => {
    const windows: FeatureWindow[] = [];
    const messages = await all(run(from(chunks(0, 6)), { onWindow: (window) => windows.push(window) }));
    expect(messages.every((message) => checkServerMessage(message).ok)).toBe(true);
    expect(messages).toHaveLength(12);
    expect(predictionsOf(messages).map(({ seq, window }) => [seq, window.endSample])).toEqual(windows.map(({ seq, endSample }) => [seq, endSample]));
    // The latency counts from the capture of the window's last sample, the resampler's look-ahead included.
    for (const { window, latencyMs } of predictionsOf(messages)) expect(1e6 - latencyMs - window.endSample / 2).toBeCloseTo(0, -2);
  });

  it('makes a gap a message; no window spans it; numbers and samples go on after it', async () => {
    const messages = await all(run(from([...chunks(0, 4), gap(4, 5), ...chunks(5, 9)])));
    const [told, ...others] = messages.filter((message): message is Gap => message.type === 'gap');
    expect(others).toEqual([]);
    expect(told).toMatchObject({ streamId: 's', startSample: 8000, lengthSamples: 2000, sampleRateHz: 2000, reason: 'overrun', time: '1970-01-01T00:00:05.000Z' });
    const predictions = predictionsOf(messages);
    expect(predictions.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(predictions.slice(0, 4).every(({ window }) => window.endSample <= 8000)).toBe(true);
    expect(predictions.slice(4).every(({ window }) => window.startSample >= 10_000)).toBe(true);
  });

  it('after a gap, labels as if the sound before it had never been', async () => {
    const [, , , , ...after] = predictionsOf(await all(run(from([...chunks(0, 4), gap(4, 5), ...chunks(5, 9)]))));
    const alone = predictionsOf(await all(run(from(chunks(5, 9).map((item) => ({ ...item, startSample: item.startSample - 5 * RATE_HZ }))))));
    expect(after.map(({ label }) => label)).toEqual(alone.map(({ label }) => label));
    after.forEach(({ probabilities }, i) => {
      for (const label of HEART_LABELS) expect(probabilities[label]).toBeCloseTo(alone[i]!.probabilities[label]!, 4);
    });
  });

  it('makes display data of every sample once, and only where asked to', async () => {
    const messages = await all(run(from(chunks(0, 5)), { display: true }));
    const frames = messages.flatMap((message) => (message.type === 'frames' ? [message] : []));
    expect(frames.every((message) => checkServerMessage(message).ok)).toBe(true);
    let nextColumn = 0;
    let nextPair = 0;
    for (const { startSample, columns, nMels, melDb, waveform, minDb, maxDb } of frames) {
      expect(startSample).toBe(nextColumn * 32);
      expect({ nMels, bytes: Buffer.from(melDb, 'base64').length, minDb, maxDb }).toEqual({ nMels: 64, bytes: 64 * columns, minDb: DISPLAY_DB.min, maxDb: DISPLAY_DB.max });
      nextColumn += columns;
      if (waveform.pairs.length > 0) expect(waveform.startSample).toBe(nextPair * waveform.samplesPerPair);
      nextPair += waveform.pairs.length / 2;
    }
    expect(nextColumn).toBe(313);
    // 5 s at 200 pairs a second, less what the resampler holds back.
    expect(nextPair).toBeGreaterThan(995);
    const loudest = Math.max(...frames.flatMap(({ waveform }) => waveform.pairs));
    expect(loudest).toBeCloseTo(sound.slice(0, 5 * RATE_HZ).reduce((max, x) => Math.max(max, x), 0), 1);
    expect((await all(run(from(chunks(0, 5))))).some(({ type }) => type === 'frames')).toBe(false);
  });

  it('keeps the waveform before a gap apart from that after it, and loses none', async () => {
    const messages = await all(run(from([...chunks(0, 1), gap(1, 2), ...chunks(2, 3)]), { display: true }));
    const waveforms = messages.flatMap((message) => (message.type === 'frames' && message.waveform.pairs.length > 0 ? [message.waveform] : []));
    const pairs = (from: number, to: number) => waveforms.filter(({ startSample }) => startSample >= from && startSample < to).reduce((sum, waveform) => sum + waveform.pairs.length / 2, 0);
    expect(pairs(0, 2000)).toBeGreaterThan(195);
    expect(pairs(2000, 4000)).toBe(0);
    expect(pairs(4000, 6000)).toBeGreaterThan(195);
    expect(waveforms.every(({ startSample, pairs: values, samplesPerPair }) => startSample >= 4000 || startSample + (values.length / 2) * samplesPerPair <= 2000)).toBe(true);
  });

  it('fails with its source, after the windows that were whole', async () => {
    const got: StationMessage[] = [];
    const failing$ = concat(from(chunks(0, 4)), throwError(() => new Error('unplugged')));
    await expect(all(run(failing$).pipe(tap((message) => got.push(message))))).rejects.toThrow('unplugged');
    expect(predictionsOf(got).map(({ seq }) => seq)).toEqual([0, 1, 2, 3]);
  });

  it('fails with the channel that is not there, and makes nothing of nothing', async () => {
    await expect(all(run(from(chunks(0, 1)), { channel: 3 }))).rejects.toMatchObject({ code: 'CONDITION_CHANNEL_MISSING', streamId: 's' });
    expect(await all(run(EMPTY))).toEqual([]);
  });

  it('lets go of its source when nobody listens any more', async () => {
    let open = 0;
    const source$ = new Observable<CaptureItem>((out) => {
      open += 1;
      for (const item of chunks(0, 4)) out.next(item);
      return () => {
        open -= 1;
      };
    });
    await lastValueFrom(run(source$).pipe(take(1)));
    expect(open).toBe(0);
  });
});
