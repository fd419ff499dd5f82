import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Batcher, type BatcherOptions, type Lane } from '../../src/inference/batcher.js';
import type { InferenceItem } from '../../src/inference/types.js';
import { featureWindow } from './windows.js';

/** An engine under the test's control: every batch waits until the test ends it. It gives back each window's number. */
class ManualEngine {
  readonly batches: number[][] = [];
  private readonly running: { finish(): void; fail(): void }[] = [];

  run = (batch: Float32Array, count: number): Promise<{ probabilities: Float32Array; runMs: number }> => {
    expect(batch.length).toBe(count * 2);
    const seqs = Array.from({ length: count }, (_, i) => batch[2 * i]!);
    this.batches.push(seqs);
    return new Promise((resolve, reject) => {
      this.running.push({ finish: () => resolve({ probabilities: Float32Array.from(seqs.flatMap((seq) => [seq, 1 - seq])), runMs: 7 }), fail: () => reject(new Error('broken')) });
    });
  };

  get inFlight(): number {
    return this.running.length;
  }

  /** Ends the oldest (or the index-th) batch and lets everything that follows from it happen. */
  async finish(index = 0): Promise<void> {
    this.running.splice(index, 1)[0]!.finish();
    await settle();
  }

  async fail(): Promise<void> {
    this.running.shift()!.fail();
    await settle();
  }
}

const settle = async () => {
  for (let i = 0; i < 12; i++) await Promise.resolve();
};

function setUp(options: Partial<BatcherOptions> = {}) {
  const engine = new ManualEngine();
  const batcher = new Batcher(engine.run, { windowLength: 2, labels: 2, nowMs: () => Date.now(), ...options });
  return { engine, batcher };
}

function stream(batcher: Batcher, id: string, options: { lossless?: boolean } = {}) {
  const items: InferenceItem[] = [];
  const lane: Lane = batcher.lane((item) => items.push(item), options);
  return { lane, items, push: (...seqs: number[]) => seqs.forEach((seq) => lane.push(featureWindow(id, seq))), log: () => items.map(describeItem) };
}

/** `3` for a result, `3!queue-full` for a drop. */
function describeItem(item: InferenceItem): string {
  return item.kind === 'inferred' ? `${item.window.seq}` : `${item.seq}!${item.reason}`;
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }));
afterEach(() => void vi.useRealTimers());

describe('batching', () => {
  it('sends a lone window to an idle engine at once, and gives it its own result', async () => {
    const { engine, batcher } = setUp();
    const a = stream(batcher, 'a');
    a.push(4);
    await settle();
    expect(engine.batches).toEqual([[4]]);
    vi.advanceTimersByTime(20);
    await engine.finish();
    expect(a.items).toEqual([{ kind: 'inferred', window: expect.objectContaining({ streamId: 'a', seq: 4, endSample: 900 }), probabilities: Float32Array.of(4, -3), queueMs: 0, runMs: 7, batchSize: 1 }]);
    expect(a.items[0]).not.toHaveProperty('window.input');
  });

  it('runs windows that arrive together as one batch', async () => {
    const { engine, batcher } = setUp();
    const [a, b] = [stream(batcher, 'a'), stream(batcher, 'b')];
    a.push(1);
    b.push(2);
    await settle();
    expect(engine.batches).toEqual([[1, 2]]);
  });

  it('gathers while the engine is busy, and counts the wait', async () => {
    const { engine, batcher } = setUp();
    const a = stream(batcher, 'a');
    a.push(1);
    await settle();
    for (const seq of [2, 3, 4]) {
      vi.advanceTimersByTime(10);
      a.push(seq);
      await settle();
    }
    expect(engine.batches).toEqual([[1]]);
    vi.advanceTimersByTime(10);
    await engine.finish();
    expect(engine.batches).toEqual([[1], [2, 3, 4]]);
    await engine.finish();
    expect(a.log()).toEqual(['1', '2', '3', '4']);
    expect(a.items.map((item) => item.kind === 'inferred' && item.queueMs)).toEqual([0, 30, 20, 10]);
  });

  it('sends a full batch ahead while one is being run, and never a third', async () => {
    const { engine, batcher } = setUp({ maxBatchSize: 2 });
    const a = stream(batcher, 'a', { lossless: true });
    a.push(1, 2, 3, 4, 5, 6, 7);
    await settle();
    expect(engine.batches).toEqual([[1, 2], [3, 4]]);
    await engine.finish();
    expect(engine.batches).toEqual([[1, 2], [3, 4], [5, 6]]);
    await engine.finish();
    expect(engine.inFlight).toBe(1);
    await engine.finish();
    expect(engine.batches.at(-1)).toEqual([7]);
  });

  it('waits maxQueueDelayMs for company when asked to, no longer than until the batch is full', async () => {
    const { engine, batcher } = setUp({ maxBatchSize: 3, maxQueueDelayMs: 50 });
    const a = stream(batcher, 'a');
    a.push(1);
    await settle();
    vi.advanceTimersByTime(30);
    a.push(2);
    await settle();
    vi.advanceTimersByTime(19);
    await settle();
    expect(engine.batches).toEqual([]);
    vi.advanceTimersByTime(1);
    await settle();
    expect(engine.batches).toEqual([[1, 2]]);
    await engine.finish();
    a.push(3, 4, 5);
    await settle();
    expect(engine.batches.at(-1)).toEqual([3, 4, 5]);
  });

  it('takes the largest preferred size that it can fill', async () => {
    const { engine, batcher } = setUp({ preferredBatchSizes: [2, 4], maxQueuePerStream: 20 });
    const a = stream(batcher, 'a');
    a.push(1, 2, 3, 4, 5, 6, 7);
    await settle();
    await engine.finish();
    await engine.finish();
    expect(engine.batches).toEqual([[1, 2, 3, 4], [5, 6], [7]]);
  });

  it('lets streams take turns, so that one with much to say delays no other', async () => {
    const { engine, batcher } = setUp({ maxBatchSize: 4 });
    const [busy, calm] = [stream(batcher, 'busy', { lossless: true }), stream(batcher, 'calm')];
    busy.push(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    calm.push(100, 101);
    await settle();
    expect(engine.batches).toEqual([[1, 100, 2, 101], [3, 4, 5, 6]]);
  });
});

describe('turns', () => {
  it('go on from batch to batch: who was served last comes last', async () => {
    const { engine, batcher } = setUp({ maxBatchSize: 2 });
    for (const [i, id] of ['a', 'b', 'c'].entries()) stream(batcher, id).push(10 * i + 1, 10 * i + 2);
    await settle();
    await engine.finish();
    expect(engine.batches).toEqual([[1, 11], [21, 2], [12, 22]]);
  });
});

describe('an engine that is too slow', () => {
  it('costs the stream that fills its queue its oldest windows, told in order', async () => {
    const { engine, batcher } = setUp({ maxBatchSize: 4, maxQueuePerStream: 2 });
    const a = stream(batcher, 'a');
    a.push(1);
    await settle();
    a.push(2, 3, 4, 5);
    await settle();
    // Windows 2 and 3 are gone, but 1 is still being run: their drops wait for it.
    expect(a.log()).toEqual([]);
    await engine.finish();
    expect(a.log()).toEqual(['1', '2!queue-full', '3!queue-full']);
    await engine.finish();
    expect(a.log()).toEqual(['1', '2!queue-full', '3!queue-full', '4', '5']);
    expect(batcher.stats).toEqual({ inferred: 3, dropped: { 'queue-full': 2 }, batches: 2 });
    expect(a.items[1]).toEqual({ kind: 'dropped', streamId: 'a', seq: 2, startSample: 200, endSample: 700, sampleRateHz: 2000, capturedAtMs: 100, reason: 'queue-full' });
  });

  it('costs the stream that lags most when all queues together are full; of equals the one that waits longest', async () => {
    const { engine, batcher } = setUp({ maxBatchSize: 8, maxQueue: 4, maxQueuePerStream: 4 });
    const [first, a, b] = [stream(batcher, 'first'), stream(batcher, 'a'), stream(batcher, 'b')];
    first.push(0);
    await settle();
    a.push(1, 2, 3);
    vi.advanceTimersByTime(1);
    b.push(11, 12);
    expect(a.log()).toEqual(['1!queue-full']);
    b.push(13);
    // b now has three waiting, a two.
    expect(b.log()).toEqual(['11!queue-full']);
    first.push(99);
    expect(a.log()).toEqual(['1!queue-full', '2!queue-full']);
    await engine.finish();
    expect(engine.batches.at(-1)!.toSorted((x, y) => x - y)).toEqual([3, 12, 13, 99]);
  });

  it('never costs a lossless stream anything; it is asked to wait instead', async () => {
    const { engine, batcher } = setUp({ maxBatchSize: 2, maxQueue: 3, maxQueuePerStream: 2 });
    const a = stream(batcher, 'a', { lossless: true });
    let ready = false;
    a.push(1, 2, 3);
    await batcher.ready();
    a.push(4, 5, 6, 7, 8);
    await settle();
    void batcher.ready().then(() => (ready = true));
    await settle();
    expect([batcher.queueLength, ready]).toEqual([4, false]);
    await engine.finish();
    expect([batcher.queueLength, ready]).toEqual([2, true]);
    while (engine.inFlight > 0) await engine.finish();
    expect(a.log()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
  });

  it('asks sources to wait before a stream that may lose windows has filled its queue', async () => {
    const { engine, batcher } = setUp({ maxBatchSize: 8, maxQueuePerStream: 4 });
    const a = stream(batcher, 'a');
    a.push(1);
    await settle();
    a.push(2);
    await batcher.ready();
    a.push(3);
    let ready = false;
    void batcher.ready().then(() => (ready = true));
    await settle();
    expect(ready).toBe(false);
    await engine.finish();
    expect(ready).toBe(true);
  });
});

describe('faults', () => {
  it('report the windows of a failed batch as dropped and go on', async () => {
    const { engine, batcher } = setUp({ maxBatchSize: 2 });
    const a = stream(batcher, 'a');
    a.push(1, 2, 3);
    await settle();
    await engine.fail();
    await engine.finish();
    expect(a.log()).toEqual(['1!engine-failed', '2!engine-failed', '3']);
  });

  it('keep the order when a later batch comes back first', async () => {
    const { engine, batcher } = setUp({ maxBatchSize: 1 });
    const a = stream(batcher, 'a');
    a.push(1, 2);
    await settle();
    await engine.finish(1);
    expect(a.log()).toEqual([]);
    await engine.finish(0);
    expect(a.log()).toEqual(['1', '2']);
  });

  it('drop a window of the wrong length and one that the model gives no numbers for', async () => {
    const { engine, batcher } = setUp();
    const a = stream(batcher, 'a');
    a.lane.push(featureWindow('a', 1, new Float32Array(3)));
    a.push(NaN, 2);
    await settle();
    await engine.finish();
    expect(a.log()).toEqual(['1!invalid-window', 'NaN!not-finite', '2']);
  });

  it('forget what a stream had waiting when it leaves, and nothing else', async () => {
    const { engine, batcher } = setUp();
    const [a, b] = [stream(batcher, 'a'), stream(batcher, 'b')];
    a.push(1);
    await settle();
    a.push(2);
    b.push(3);
    a.lane.close();
    await engine.finish();
    expect(engine.batches).toEqual([[1], [3]]);
    await engine.finish();
    expect([a.log(), b.log()]).toEqual([[], ['3']]);
  });

  it('let a closed batcher say that its windows are dropped', async () => {
    const { engine, batcher } = setUp();
    const a = stream(batcher, 'a');
    a.push(1);
    await settle();
    a.push(2);
    batcher.close();
    a.push(3);
    await engine.finish();
    expect(a.log()).toEqual(['1', '2!closed', '3!closed']);
    await batcher.ready();
    await a.lane.flushed();
  });
});

describe('whatever happens', () => {
  it('every window comes out exactly once, in its order, and no batch is too large', async () => {
    const action = fc.oneof(
      fc.record({ push: fc.nat(3), count: fc.integer({ min: 1, max: 6 }) }),
      fc.constantFrom('finish' as const, 'finishLast' as const, 'fail' as const, 'tick' as const),
    );
    const options = fc.record({ maxBatchSize: fc.integer({ min: 1, max: 5 }), maxQueueDelayMs: fc.nat(20), maxQueuePerStream: fc.integer({ min: 1, max: 5 }), maxQueue: fc.integer({ min: 2, max: 10 }) });
    await fc.assert(
      fc.asyncProperty(options, fc.array(action, { maxLength: 40 }), async (chosen, actions) => {
        const { engine, batcher } = setUp(chosen);
        const streams = ['a', 'b', 'c', 'd'].map((id) => ({ ...stream(batcher, id, { lossless: id === 'd' }), sent: 0 }));
        for (const step of actions) {
          if (typeof step === 'object') for (let i = 0; i < step.count; i++) streams[step.push]!.push(streams[step.push]!.sent++);
          else if (step === 'tick') vi.advanceTimersByTime(15);
          else if (engine.inFlight > 0) await (step === 'fail' ? engine.fail() : engine.finish(step === 'finish' ? 0 : engine.inFlight - 1));
          await settle();
          expect(engine.inFlight).toBeLessThanOrEqual(2);
        }
        for (let i = 0; i < 200 && (engine.inFlight > 0 || batcher.queueLength > 0); i++) {
          if (engine.inFlight > 0) await engine.finish();
          vi.advanceTimersByTime(25);
          await settle();
        }
        for (const { items, sent, lane } of streams) {
          expect(items.map((item) => (item.kind === 'inferred' ? item.window.seq : item.seq))).toEqual(Array.from({ length: sent }, (_, i) => i));
          await lane.flushed();
        }
        expect(streams[3]!.items.some((item) => item.kind === 'dropped' && item.reason !== 'engine-failed')).toBe(false);
        expect(Math.max(0, ...engine.batches.map((batch) => batch.length))).toBeLessThanOrEqual(chosen.maxBatchSize);
      }),
      { numRuns: 150 },
    );
  });
});
