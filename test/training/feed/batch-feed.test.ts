/** Batches from workers are those of the sampler on this thread, bit by bit, whatever happens to the workers. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { openBatchFeed, type BatchFeed, type BatchFeedOptions } from '../../../src/training/feed/batch-feed.js';
import { shareClips } from '../../../src/training/feed/shared-clips.js';
import { bits, clips, feedOptions, sampler } from './clips.js';

const folder = mkdtempSync(join(tmpdir(), 'stetho-feed-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const feeds: BatchFeed[] = [];
afterEach(() => Promise.all(feeds.splice(0).map((feed) => feed.close())));

function open(changes: Partial<BatchFeedOptions> = {}): BatchFeed {
  const feed = openBatchFeed(feedOptions(changes));
  feeds.push(feed);
  return feed;
}

/** The real worker, which dies at step 3 so many times. */
function dying(deaths: number): Partial<BatchFeedOptions> {
  process.env['FEED_TEST_DEATHS'] = join(folder, 'deaths');
  writeFileSync(join(folder, 'deaths'), String(deaths));
  return { entry: join(dirname(fileURLToPath(import.meta.url)), 'fixtures', 'dying-batch-worker.mjs') };
}

const expected = sampler();
const made = (step: number) => bits(expected.batch(step));

describe('batch feed', () => {
  it.each([0, 1, 2])('gives the batches of the sampler on this thread, bit by bit and in order (%i workers)', async (workers) => {
    const feed = open({ workers });
    let marked = 0;
    expect(feed.workers).toBe(workers);
    for (let step = 0; step < 12; step++) {
      const [batch, own] = [await feed.batch(step), expected.batch(step)];
      expect(bits(batch)).toEqual(bits(own));
      marked += batch.frameTargets!.filter((x) => x > 0).length;
    }
    expect(marked).toBeGreaterThan(0);
    expect(feed.shares).toEqual(expected.shares);
  });

  it('starts at the step that a resumed run asks for, and follows when it goes elsewhere', async () => {
    const feed = open({ workers: 2, ahead: 3 });
    for (const step of [7, 8, 9, 2, 3, 3, 20, 0]) expect(bits(await feed.batch(step))).toEqual(made(step));
  });

  it('answers several at once, each with its own', async () => {
    const feed = open({ workers: 1, ahead: 2 });
    const steps = [0, 1, 2, 3, 4, 5];
    expect((await Promise.all(steps.map((step) => feed.batch(step)))).map(bits)).toEqual(steps.map(made));
  });

  it('hands batches over for good: what the trainer does to one changes no other', async () => {
    const feed = open({ workers: 1 });
    (await feed.batch(0)).x.fill(NaN);
    expect(bits(await feed.batch(1))).toEqual(made(1));
    expect(bits(await feed.batch(0))).toEqual(made(0));
  });

  it('goes on after a worker died, with the same batches, and says so', async () => {
    const told: string[] = [];
    const feed = open({ ...dying(1), workers: 1, onRestart: ({ code, message }) => told.push(`${code} ${message}`) });
    for (let step = 0; step < 6; step++) expect(bits(await feed.batch(step))).toEqual(made(step));
    expect(told).toEqual([expect.stringMatching(/^TRAINING_WORKER_DIED .*exit code 9/)]);
    expect(readFileSync(join(folder, 'deaths'), 'utf8')).toBe('0');
  });

  it('tells the trainer, at the step concerned, when a second worker died of it', async () => {
    const feed = open({ ...dying(2), workers: 1 });
    for (let step = 0; step < 3; step++) expect(bits(await feed.batch(step))).toEqual(made(step));
    await expect(feed.batch(3)).rejects.toMatchObject({ name: 'StageError', code: 'TRAINING_WORKER_DIED', remedy: expect.stringContaining('last checkpoint') as string });
  });

  it('makes no more than asked for ahead, and nothing after the last step', async () => {
    const feed = open({ workers: 1, ahead: 3, steps: 3 });
    const pool = (feed as unknown as { pool: { run(step: number): Promise<unknown> } }).pool;
    const run = pool.run.bind(pool);
    const asked: number[] = [];
    pool.run = (step) => (asked.push(step), run(step));
    const first = feed.batch(0);
    expect(asked).toEqual([0, 1, 2]);
    await first;
    await feed.batch(1);
    await feed.batch(2);
    expect(asked).toEqual([0, 1, 2]);
  });

  it('closes while batches are in the making; whoever waits is told', async () => {
    const feed = open({ workers: 2 });
    const waiting = feed.batch(0);
    waiting.catch(() => undefined);
    await feed.close();
    await expect(waiting).rejects.toMatchObject({ code: 'TRAINING_WORKERS_CLOSED' });
    await expect(feed.batch(1)).rejects.toMatchObject({ code: 'TRAINING_WORKERS_CLOSED' });
    await feed.close();
  });

  it('refuses what could never work before it starts a thread', () => {
    expect(() => openBatchFeed(feedOptions({ clips: [] }))).toThrow(expect.objectContaining({ code: 'TRAINING_EMPTY' }));
    expect(() => openBatchFeed(feedOptions({ workers: 1.5 }))).toThrow(expect.objectContaining({ code: 'TRAINING_OPTION_INVALID' }));
    expect(() => openBatchFeed(feedOptions({ ahead: 0 }))).toThrow(expect.objectContaining({ code: 'TRAINING_OPTION_INVALID' }));
  });
});

describe('shared clips', () => {
  it('are read where they lie by whoever gets them, and are copied only when they are not shared yet', () => {
    const shared = shareClips(clips);
    expect(shared).toEqual(clips);
    expect(new Set(shared.map(({ pcm }) => pcm.buffer)).size).toBe(1);
    expect(shareClips(shared).every(({ pcm }, i) => pcm === shared[i]!.pcm)).toBe(true);
    const cloned = structuredClone(shared);
    cloned[1]!.pcm[0] = 42;
    expect(shared[1]!.pcm[0]).toBe(42);
    expect(clips[1]!.pcm[0]).not.toBe(42);
    const mixed = shareClips([shared[1]!, ...clips.slice(2)]);
    expect(mixed[0]!.pcm).toBe(shared[1]!.pcm);
    expect(mixed.slice(1)).toEqual(clips.slice(2));
  });
});
