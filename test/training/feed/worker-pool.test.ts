/** The pool's promises to whoever asks: every request is answered or refused with a code, whatever workers do. */
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { defaultWorkers, WorkerPool, type WorkerPoolOptions } from '../../../src/training/feed/worker-pool.js';

const fixture = (name: string) => join(dirname(fileURLToPath(import.meta.url)), 'fixtures', name);
const open: WorkerPool<string, { echo: string }>[] = [];
afterEach(() => Promise.all(open.splice(0).map((pool) => pool.close())));

/** `deaths` are due; the pool's workers count their starts in counts[1]. */
function crashing(deaths: number, changes: Partial<WorkerPoolOptions> & { diesAtStart?: boolean } = {}) {
  const counts = new Int32Array(new SharedArrayBuffer(12));
  counts[0] = deaths;
  const told: string[] = [];
  const { diesAtStart = false, ...options } = changes;
  const pool = new WorkerPool<string, { echo: string }>({
    entry: fixture('crashing-worker.mjs'),
    workers: 1,
    name: 'test',
    data: { counts, diesAtStart },
    onRestart: (error) => told.push(error.code),
    ...options,
  });
  open.push(pool);
  return { pool, counts, told };
}

describe('worker pool', () => {
  it('answers every request, from several workers that start when they are needed', async () => {
    const { pool, counts } = crashing(0, { workers: 2 });
    expect(counts[1]).toBe(0);
    const asked = Array.from({ length: 20 }, (_, i) => `${i}`);
    expect(await Promise.all(asked.map((request) => pool.run(request)))).toEqual(asked.map((echo) => ({ echo })));
    expect(counts[1]).toBe(2);
  });

  it.each(['exit', 'throw'])('starts a worker that dies (%s) again, once, and answers all it was asked', async (deadly) => {
    const { pool, counts, told } = crashing(1);
    const answers = await Promise.all(['a', deadly, 'b'].map((request) => pool.run(request)));
    expect(answers.map(({ echo }) => echo)).toEqual(['a', deadly, 'b']);
    expect(counts[1]).toBe(2);
    expect(told).toEqual(['TRAINING_WORKER_DIED']);
  });

  it('ends a worker that hangs, and starts it again once', async () => {
    const { pool, counts, told } = crashing(1, { stallMs: 2000 });
    const answers = await Promise.all(['a', 'hang', 'b'].map((request) => pool.run(request)));
    expect(answers.map(({ echo }) => echo)).toEqual(['a', 'hang', 'b']);
    expect([counts[1], told]).toEqual([2, ['TRAINING_WORKER_DIED']]);
    const turns = Atomics.load(counts, 2);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(Atomics.load(counts, 2)).toBe(turns);
    const hangs = crashing(2, { stallMs: 2000 });
    await expect(hangs.pool.run('hang')).rejects.toMatchObject({ code: 'TRAINING_WORKER_DIED', message: expect.stringContaining('no answer for 2 s') as string });
  });

  it('does not take its own thread’s long block for a worker that hangs', async () => {
    const { pool, counts } = crashing(0, { stallMs: 2000 });
    await pool.run('a');
    // From here on timers come before messages, which is the worse order.
    await new Promise((resolve) => setImmediate(resolve));
    const answers = [pool.run('b'), pool.run('c')];
    const until = performance.now() + 2600;
    while (performance.now() < until);
    expect((await Promise.all(answers)).map(({ echo }) => echo)).toEqual(['b', 'c']);
    expect(counts[1]).toBe(1);
  });

  it('refuses the request that two workers died of, and answers the others', async () => {
    const { pool } = crashing(2);
    const [deadly, other] = await Promise.allSettled([pool.run('exit'), pool.run('b')]);
    expect(deadly).toMatchObject({ status: 'rejected', reason: { code: 'TRAINING_WORKER_DIED', stage: 'training', message: expect.stringContaining('exit code 7') as string } });
    expect(other).toMatchObject({ status: 'fulfilled', value: { echo: 'b' } });
    await expect(pool.run('c')).resolves.toEqual({ echo: 'c' });
  });

  it('tries a start that fails once more, and then refuses everything with the reason', async () => {
    const { pool: recovers, counts } = crashing(1, { diesAtStart: true });
    await expect(recovers.run('a')).resolves.toEqual({ echo: 'a' });
    expect(counts[1]).toBe(2);
    const { pool } = crashing(9, { diesAtStart: true });
    await expect(pool.run('a')).rejects.toMatchObject({ code: 'TRAINING_WORKER_START', message: expect.stringContaining('born dead') as string });
    await expect(pool.run('b')).rejects.toMatchObject({ code: 'TRAINING_WORKER_START' });
    const { pool: nowhere } = crashing(0, { entry: fixture('no-such-file.mjs') });
    await expect(nowhere.run('a')).rejects.toMatchObject({ code: 'TRAINING_WORKER_START', message: expect.stringContaining('no-such-file') as string });
  });

  it('hands on what a handler throws: StageErrors whole, anything else as a defect', async () => {
    const pool = new WorkerPool<string, { request: string }>({ entry: fixture('throwing-worker.mjs'), workers: 1, name: 'test', data: {} });
    try {
      await expect(pool.run('known')).rejects.toMatchObject({ name: 'StageError', code: 'TRAINING_EMPTY', message: 'nothing', remedy: 'something' });
      await expect(pool.run('defect')).rejects.toMatchObject({ code: 'TRAINING_WORKER_FAILED', message: expect.stringContaining('undefined is no function') as string });
      await expect(pool.run('fine')).resolves.toEqual({ request: 'fine' });
    } finally {
      await pool.close();
    }
  });

  it('ends a busy worker when closed, and refuses what was asked of it', async () => {
    const { pool, counts } = crashing(0);
    const endless = pool.run('endless');
    const waiting = pool.run('a');
    endless.catch(() => undefined);
    waiting.catch(() => undefined);
    while (counts[2] === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await pool.close();
    const turns = Atomics.load(counts, 2);
    await expect(endless).rejects.toMatchObject({ code: 'TRAINING_WORKERS_CLOSED' });
    await expect(waiting).rejects.toMatchObject({ code: 'TRAINING_WORKERS_CLOSED' });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(Atomics.load(counts, 2)).toBe(turns);
    expect(counts[1]).toBe(1);
    await expect(pool.run('b')).rejects.toMatchObject({ code: 'TRAINING_WORKERS_CLOSED' });
    await pool.close();
  });

  it('leaves a core to whoever trains, but uses one worker at least', () => {
    const cores = [1, 2, 3, 4, 64].map((count) => defaultWorkers(count));
    expect(cores).toEqual([1, 1, 2, 2, 2]);
    expect(defaultWorkers()).toBe(defaultWorkers(availableParallelism()));
  });
});
