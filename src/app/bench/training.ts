/**
 * Training speed and memory beside PyTorch: the same ResNet-34, one channel, AdamW, as many threads. Both run in
 * child processes and take turns, so that a noisy neighbour hits both; ratios are medians over the turns.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { builtModule, packageRoot } from '../../common/paths.js';
import { fastMathSupported } from '../../training/engine/fast-math.js';
import { median } from './statistics.js';

/** Pictures of one step. */
export interface TrainingShape {
  name: string;
  batch: number;
  height: number;
  width: number;
  /** PyTorch's memory layout: the faster one for the shape, as measured. */
  channelsLast: boolean;
}

export interface TrainingBench {
  /** Of each side. */
  threads: number;
  shapes: readonly TrainingShape[];
  rounds: number;
  /** Of one turn, which is a step at least: 512 × 512 takes seconds. */
  turnSeconds: number;
}

const FULL: TrainingBench = {
  shapes: [
    { name: '188', batch: 16, height: 64, width: 188, channelsLast: true },
    { name: '512', batch: 4, height: 512, width: 512, channelsLast: false },
  ],
  threads: 2,
  rounds: 3,
  turnSeconds: 5,
};

type Numbers = Record<string, number | null>;

/** @param python with PyTorch; without, ratios are null. @param onRound is told of each round done. */
export async function benchTraining(python: string, onRound: (done: number, total: number) => void, options = FULL): Promise<Numbers> {
  const { shapes, rounds, threads } = options;
  const results: Numbers = { threads, rounds };
  for (const [i, shape] of shapes.entries()) {
    Object.assign(results, await benchShape(shape, python, options, (round) => onRound(i * rounds + round, shapes.length * rounds)));
  }
  return results;
}

async function benchShape({ name, ...shape }: TrainingShape, python: string, options: TrainingBench, onRound: (done: number) => void): Promise<Numbers> {
  const turn = (child: Child | null) => child?.imagesPerSecond(options.turnSeconds) ?? NaN;
  const startOurs = () => Child.start(process.execPath, [builtModule('app/bench/training-child')], options.threads);
  const ours = startOurs();
  const fast = fastMathSupported() ? startOurs() : null;
  const torch = await Child.torch(python, options.threads);
  const all = [ours, fast, torch].filter((child) => child !== null);
  try {
    await ours.ask(shape);
    await fast?.ask({ ...shape, fastMath: true });
    await torch?.ask(shape);
    const rounds: { ours: number; fast: number; torch: number }[] = [];
    for (let round = 0; round < options.rounds; round++) {
      rounds.push({ ours: await turn(ours), fast: await turn(fast), torch: await turn(torch) });
      onRound(round + 1);
    }
    const peaks = { ours: await ours.peakBytes(), torch: (await torch?.peakBytes()) ?? NaN };
    return {
      [`trainingRatio${name}`]: orNull(median(rounds.map((r) => r.ours / r.torch))),
      [`trainingRatio${name}Bfloat16`]: orNull(median(rounds.map((r) => r.fast / r.torch))),
      [`trainingMemoryRatio${name}`]: orNull(peaks.ours / peaks.torch),
      [`trainingImagesPerSecond${name}`]: median(rounds.map((r) => r.ours)),
      [`trainingImagesPerSecond${name}Bfloat16`]: orNull(median(rounds.map((r) => r.fast))),
      [`torchImagesPerSecond${name}`]: orNull(median(rounds.map((r) => r.torch))),
      [`trainingPeakMb${name}`]: peaks.ours / 1e6,
      [`torchPeakMb${name}`]: orNull(peaks.torch / 1e6),
    };
  } finally {
    for (const child of all) child.close();
  }
}

const orNull = (value: number) => (Number.isFinite(value) ? value : null);

/** A process that answers JSON lines with JSON lines. */
class Child {
  private readonly lines: AsyncIterator<string>;
  private errors = '';

  private constructor(private readonly process: ReturnType<typeof spawnPiped>) {
    this.lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
    process.stderr.on('data', (text: Buffer) => (this.errors = (this.errors + text.toString()).slice(-2000)));
    // A command that can't be started, or a child that is gone: `next` then finds no line.
    process.on('error', () => undefined);
    process.stdin.on('error', () => undefined);
  }

  static start(command: string, args: readonly string[], threads: number): Child {
    return new Child(spawnPiped(command, args, threads));
  }

  /** Null where this Python is not there or has no PyTorch. */
  static async torch(python: string, threads: number): Promise<Child | null> {
    const child = Child.start(python, [join(packageRoot, 'scripts', 'bench-training.py'), String(threads)], threads);
    // Its first line tells the version.
    const hello = await child.lines.next();
    return hello.done === true ? null : child;
  }

  async ask(command: Record<string, unknown>): Promise<Record<string, number>> {
    this.process.stdin.write(`${JSON.stringify(command)}\n`);
    const { done, value } = await this.lines.next();
    if (done === true) {
      await (this.process.exitCode === null ? once(this.process, 'close') : undefined);
      throw new Error(`the benchmark's child process ended: ${this.errors}`);
    }
    return JSON.parse(value) as Record<string, number>;
  }

  async imagesPerSecond(turnSeconds: number): Promise<number> {
    const { images = NaN, seconds = NaN } = await this.ask({ seconds: turnSeconds });
    return images / seconds;
  }

  async peakBytes(): Promise<number> {
    return (await this.ask({ peak: true }))['peakBytes'] ?? NaN;
  }

  close(): void {
    this.process.stdin.end();
    this.process.kill();
  }
}

function spawnPiped(command: string, args: readonly string[], threads: number) {
  const count = String(threads);
  // PyTorch's OpenMP threads wait for each other by spinning, which on a machine that does something else as well made it
  // thirteen times slower (2.1 instead of 27.9 images/s): that would flatter us, so they sleep unless the caller's
  // environment says otherwise.
  const waiting = { OMP_WAIT_POLICY: 'PASSIVE', GOMP_SPINCOUNT: '0' };
  return spawn(command, [...args], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...waiting, ...process.env, OMP_NUM_THREADS: count, TF_NUM_INTRAOP_THREADS: count, TF_CPP_MIN_LOG_LEVEL: '2' } });
}
