/** Stages, checkpoints and resuming, with a learner whose state is two numbers. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runStage, type Learner, type StageOptions } from '../../src/training/fit.js';
import { RunLog, type TrainingProgress } from '../../src/training/run-log.js';
import type { Batch } from '../../src/training/sampler.js';

const root = mkdtempSync(join(tmpdir(), 'stetho-fit-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Its state depends on every batch and rate in their order. */
class Recorder implements Learner {
  state = 1;
  steps = 0;
  constructor(private readonly dieAt = Infinity) {}
  step(batch: Batch, { learningRate }: { learningRate: number }): number {
    if (this.steps === this.dieAt) throw new Error('killed');
    this.steps++;
    this.state = (this.state * 31 + (batch.x[0] ?? 0) + learningRate) % 1e9;
    return this.state / 1e9;
  }
  save(folder: string): void {
    writeFileSync(join(folder, 'learner.json'), JSON.stringify(this.state));
  }
  restore(folder: string): void {
    this.state = JSON.parse(readFileSync(join(folder, 'learner.json'), 'utf8')) as number;
  }
}

function stage(name: string, changes: Partial<StageOptions> = {}): StageOptions {
  const folder = join(root, name);
  return {
    name: 'stage',
    folder,
    steps: 25,
    batchSize: 2,
    schedule: (step) => ({ learningRate: step / 100, beta1: 0.9 }),
    batch: (step) => ({ x: Float32Array.of(step * step), n: 2, setsA: [1, 1], setsB: [1, 1], lambda: Float32Array.of(1, 1) }),
    checkpointEverySteps: 4,
    log: new RunLog({ folder }),
    ...changes,
  };
}

describe('RunLog', () => {
  it('tells the time that is left by the work that is left', async () => {
    const seen: TrainingProgress[] = [];
    const log = new RunLog({ folder: join(root, 'eta'), onProgress: (progress) => seen.push(progress) });
    // Items 6 to 10 cost three times those before; 2 were done by another process.
    const clock = log.phase('phase', 10, 'windows', { from: 2, workOf: (items) => items + 2 * Math.max(0, items - 5) });
    await new Promise((resolve) => setTimeout(resolve, 20));
    clock.update(6);
    const { etaSeconds, perSecond } = seen[0]!;
    const seconds = 4 / perSecond;
    expect(seconds).toBeGreaterThan(0.01);
    expect(etaSeconds / seconds).toBeCloseTo((20 - 8) / (8 - 2), 6);
    clock.update(10);
    expect(seen.at(-1)).toMatchObject({ done: 10, etaSeconds: 0 });
  });
});

describe('runStage', () => {
  it('tells the time that is left by the work of its steps', async () => {
    const lines: string[] = [];
    const slow = new Recorder();
    const step = slow.step.bind(slow);
    slow.step = (...args) => {
      for (const until = performance.now() + 1; performance.now() < until; );
      return step(...args);
    };
    const log = new RunLog({ folder: join(root, 'work'), onLine: (line) => lines.push(line) });
    await runStage(slow, stage('work', { steps: 40, checkpointEverySteps: 100, log, workOf: (steps) => steps + 1e6 * Math.max(0, steps - 20) }));
    const left = lines.map((line) => Number(/([\d.]+) min left/.exec(line)?.[1]));
    // 20 steps of 1 ms and more; each of those left takes a million times as long.
    expect(left[0]).toBeGreaterThan(300);
    expect(left[1]).toBe(0);
  });

  it('comes to the same end wherever it was cut off', async () => {
    const whole = new Recorder();
    const expected = await runStage(whole, stage('whole'));
    for (const dieAt of [0, 3, 4, 5, 11, 24]) {
      await expect(runStage(new Recorder(dieAt), stage(`cut-${dieAt}`))).rejects.toThrow('killed');
      const again = new Recorder();
      const { curve } = await runStage(again, stage(`cut-${dieAt}`));
      expect(again.state).toBe(whole.state);
      expect(again.steps).toBe(25 - 4 * Math.floor(dieAt / 4));
      // Running means start anew from the checkpoint's last point, so only their places are the same.
      expect(curve.map(({ step }) => step)).toEqual(expected.curve.map(({ step }) => step));
    }
  });

  it('does nothing more when it had finished', async () => {
    const again = new Recorder();
    await runStage(again, stage('whole'));
    expect(again.steps).toBe(0);
  });

  it('survives a kill between the two renames of a checkpoint', async () => {
    await expect(runStage(new Recorder(9), stage('renames'))).rejects.toThrow('killed');
    const folder = join(root, 'renames');
    renameSync(join(folder, 'checkpoint'), join(folder, 'checkpoint.old'));
    mkdirSync(join(folder, 'checkpoint.next'));
    writeFileSync(join(folder, 'checkpoint.next', 'learner.json'), '7');
    const again = new Recorder();
    await runStage(again, stage('renames'));
    expect(again.steps).toBe(25 - 8);
    expect(existsSync(join(folder, 'checkpoint.old'))).toBe(false);
  });

  it('names the step where the loss stops being a number', async () => {
    const bad: Learner = { step: () => NaN, save: () => undefined, restore: () => undefined };
    await expect(runStage(bad, stage('bad'))).rejects.toMatchObject({ code: 'TRAINING_DIVERGED', message: expect.stringContaining('step 0') as string });
  });

  it('says how to go on when a checkpoint can not be written', async () => {
    const full: Learner = { step: () => 1, save: () => { throw new Error('ENOSPC: no space left on device'); }, restore: () => undefined };
    await expect(runStage(full, stage('full'))).rejects.toMatchObject({ code: 'TRAINING_CHECKPOINT_FAILED', remedy: expect.stringContaining('goes on') as string });
  });
});
