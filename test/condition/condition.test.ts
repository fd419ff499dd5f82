import { concat as inTurn, from, lastValueFrom, map, NEVER, of, take, throwError, toArray } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { describe, expect, it } from 'vitest';
import type { CaptureItem } from '../../src/capture/types.js';
import { StageError } from '../../src/common/stage-error.js';
import { condition } from '../../src/condition/condition.js';

const options = { modelRateHz: 2000, dcBlockHz: 10, channel: 'mix' } as const;
const chunk = (startSample: number, sampleRateHz = 2000): CaptureItem => ({
  kind: 'chunk', streamId: 's', samples: new Float32Array(40), channels: 1, sampleRateHz, startSample, capturedAtMs: 0,
});
const gap: CaptureItem = { kind: 'gap', streamId: 's', sampleRateHz: 2000, startSample: 40, lengthSamples: 10, reason: 'overrun', capturedAtMs: 0 };

describe('condition', () => {
  it('emits in the same instant, the end with the completion', () => {
    const marbles = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
    marbles.run(({ cold, expectObservable }) => {
      const source$ = cold('-a-g-b---|', { a: chunk(0), g: gap, b: chunk(50) });
      const kinds$ = source$.pipe(condition(options), map(({ kind }) => kind));
      expectObservable(kinds$).toBe('-a-g-b---(e|)', { a: 'chunk', g: 'gap', b: 'chunk', e: 'end' });
    });
  });

  it('a source that emits nothing has no end', async () => {
    expect(await lastValueFrom(from([]).pipe(condition(options), toArray()))).toEqual([]);
  });

  it('turns trouble into a StageError with the stream’s id, and passes the source’s own on', async () => {
    const run = (...items: CaptureItem[]) => lastValueFrom(from(items).pipe(condition(options), toArray()));
    await expect(run(chunk(0), chunk(40, 4000))).rejects.toMatchObject({ code: 'CONDITION_RATE_CHANGED', streamId: 's', retryable: false });
    await expect(lastValueFrom(of(chunk(0)).pipe(condition({ ...options, channel: 3 })))).rejects.toMatchObject({ code: 'CONDITION_CHANNEL_MISSING' });
    const unplugged = new StageError({ code: 'CAPTURE_DEVICE_LOST', stage: 'capture', message: 'gone' });
    await expect(lastValueFrom(throwError(() => unplugged).pipe(condition(options)))).rejects.toBe(unplugged);
  });

  it('lets go of a source that emits while being subscribed to, and of one that never ends', async () => {
    let pulled = 0;
    function* endless(): Generator<CaptureItem> {
      for (;;) yield chunk(40 * pulled++);
    }
    expect(await lastValueFrom(from(endless()).pipe(condition(options), take(3), toArray()))).toHaveLength(3);
    expect(pulled).toBeLessThanOrEqual(5);
    expect(await lastValueFrom(inTurn(of(chunk(0)), NEVER).pipe(condition(options), take(1), toArray()))).toHaveLength(1);
  });

  it('keeps subscriptions apart', async () => {
    const source$ = of(chunk(0), chunk(40)).pipe(condition(options), map((item) => (item.kind === 'chunk' ? item.startSample : item.kind)), toArray());
    expect(await lastValueFrom(source$)).toEqual([0, 40, 'end']);
    expect(await lastValueFrom(source$)).toEqual([0, 40, 'end']);
  });
});
