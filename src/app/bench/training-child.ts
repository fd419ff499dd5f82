/**
 * Our trainer's side of `bench training`, in a process of its own so that its peak memory is its own. Speaks the
 * protocol of scripts/bench-training.py: a JSON command a line on stdin, a JSON answer a line on stdout.
 */
import { createInterface } from 'node:readline';
import { resnet34 } from '../../inference/resnet34.js';
import { loadTensorFlow } from '../../training/engine/tensorflow.js';
import { createTrainer, type Trainer, type TrainingBatch } from '../../training/engine/trainer.js';

interface Command {
  batch?: number;
  height: number;
  width: number;
  fastMath?: boolean;
  seconds?: number;
  peak?: true;
}

const LABELS = 4;
let training: { trainer: Trainer; batch: TrainingBatch } | null = null;

function open({ batch: n = 1, height, width, fastMath = false }: Command): unknown {
  const trainer = createTrainer({ tf: loadTensorFlow(), spec: resnet34(LABELS), height, width, seed: 1, labelSmoothing: 0.02, weightDecay: 0.01, fastMath });
  const sets = Float32Array.from({ length: n * LABELS }, (_, i) => (i % LABELS === Math.floor(i / LABELS) % LABELS ? 1 : 0));
  const x = Float32Array.from({ length: n * height * width }, (_, i) => Math.sin(i * 1.7) * Math.cos(i * 0.013));
  training = { trainer, batch: { x, n, setsA: sets, setsB: sets, lambda: new Float32Array(n).fill(1) } };
  step();
  return { ready: true, precision: trainer.precision };
}

function step(): number {
  if (!training) throw new Error('no network is open');
  training.trainer.step(training.batch, { learningRate: 1e-3, beta1: 0.9 });
  return training.batch.n;
}

function train(seconds: number): unknown {
  const start = performance.now();
  let images = 0;
  do images += step();
  while (performance.now() - start < 1000 * seconds);
  return { images, seconds: (performance.now() - start) / 1000 };
}

function handle(command: Command): unknown {
  if (command.batch !== undefined) return open(command);
  if (command.seconds !== undefined) return train(command.seconds);
  return { peakBytes: process.resourceUsage().maxRSS * 1024 };
}

for await (const line of createInterface({ input: process.stdin })) process.stdout.write(`${JSON.stringify(handle(JSON.parse(line) as Command))}\n`);
