import { from, lastValueFrom, map, of, take, throwError, toArray } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { describe, expect, it } from 'vitest';
import type { CaptureItem } from '../../src/capture/types.js';
import { StageError } from '../../src/common/stage-error.js';
import { condition } from '../../src/condition/condition.js';
import { conditionAll } from '../../src/condition/offline.js';
import type { ConditionedItem } from '../../src/condition/types.js';
import { features } from '../../src/features/features.js';
import { offlineWindows } from '../../src/features/offline.js';
import { heartFeatures } from '../../src/features/presets.js';
import type { FeatureWindow } from '../../src/features/types.js';
import { noise } from './signals.js';

const chunk = (startSample: number, length = 3000): ConditionedItem => ({
  kind: 'chunk', streamId: 's', samples: noise(length, startSample), sampleRateHz: 2000, startSample, capturedAtMs: 0, clippedSamples: 0, nonFiniteSamples: 0,
});

describe('features', () => {
  it('emits in the same instant: frames as they fill, then the window that they complete', () => {
    const marbles = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
    marbles.run(({ cold, expectObservable }) => {
      const gap: ConditionedItem = { kind: 'gap', streamId: 's', sampleRateHz: 2000, startSample: 6500, lengthSamples: 9, reason: 'overrun', capturedAtMs: 0 };
      const end: ConditionedItem = { kind: 'end', streamId: 's' };
      const source$ = cold('-a-b-g-e|', { a: chunk(0, 500), b: chunk(500, 6000), g: gap, e: end });
      const kinds$ = source$.pipe(features(heartFeatures), map(({ kind }) => kind), toArray());
      // 6500 samples complete 202 frames: 12 blocks of 16, the first window at frame 188. At the gap come two more
      // frames that reach beyond the end, the second window at frame 204, and the block that was being filled.
      const blocks = Array.from({ length: 11 }, () => 'frames');
      expectObservable(kinds$).toBe('--------(x|)', { x: [...blocks, 'window', 'frames', 'window', 'frames', 'gap', 'end'] });
    });
  });

  it('live path = offline path: the same windows of a recording, chunk by chunk', async () => {
    const y = noise(40_000, 12).map((x, i) => x * (1 + Math.sin(i / 900)));
    const items: CaptureItem[] = [];
    for (let at = 0; at < y.length; at += 777) {
      items.push({ kind: 'chunk', streamId: 's', samples: y.slice(at, at + 777), channels: 1, sampleRateHz: 4000, startSample: at, capturedAtMs: 0 });
    }
    const options = { modelRateHz: 2000, dcBlockHz: 10, channel: 'mix' } as const;
    const live = (await lastValueFrom(from(items).pipe(condition(options), features(heartFeatures), toArray()))).filter((item): item is FeatureWindow => item.kind === 'window');
    const offline = [...offlineWindows(conditionAll(y, 1, 4000, options), heartFeatures)];
    expect(live.length).toBe(offline.length);
    expect(live.length).toBeGreaterThan(25);
    live.forEach((window, i) => expect(window.input.every((x, at) => x === offline[i]!.input[at])).toBe(true));
    expect(live.map(({ descriptors }) => descriptors)).toEqual(offline.map(({ descriptors }) => descriptors));
  });

  it('inputs are the receiver’s own', async () => {
    const windows = (await lastValueFrom(of(chunk(0, 9000)).pipe(features(heartFeatures), toArray()))).filter((item): item is FeatureWindow => item.kind === 'window');
    expect(new Set(windows.map(({ input }) => input.buffer)).size).toBe(windows.length);
    expect(windows.every(({ input }) => input.byteLength === input.buffer.byteLength)).toBe(true);
  });

  it('passes errors on, refuses bad parameters at subscription, lets go of a source that emits while being subscribed to', async () => {
    const unplugged = new StageError({ code: 'CAPTURE_DEVICE_LOST', stage: 'capture', message: 'gone' });
    await expect(lastValueFrom(throwError(() => unplugged).pipe(features(heartFeatures)))).rejects.toBe(unplugged);
    await expect(lastValueFrom(of(chunk(0)).pipe(features({ ...heartFeatures, windowFrames: 0 })))).rejects.toMatchObject({ code: 'FEATURES_PARAM_INVALID' });
    let pulled = 0;
    function* endless(): Generator<ConditionedItem> {
      for (;;) yield chunk(3000 * pulled++);
    }
    expect(await lastValueFrom(from(endless()).pipe(features(heartFeatures), take(2), toArray()))).toHaveLength(2);
    expect(pulled).toBeLessThanOrEqual(2);
  });
});
