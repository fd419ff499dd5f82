/** `stethostream bench`: runs benchmarks and prints their ratios; goals are stated, never enforced by exit code. */
import { StageError } from '../../common/stage-error.js';
import { defaultModelFolder, loadModelPackage, type ModelPackage } from '../../inference/model-package.js';
import { benchFeatures, benchLatency, benchMemory, benchPipeline } from '../bench/benchmarks.js';
import { benchTraining } from '../bench/training.js';
import { ProgressBars } from '../progress.js';

interface Benchmark {
  /** What is measured and the goal, for people. */
  title: string;
  /** Takes minutes: run by its name only, not with `all`. */
  long?: boolean;
  run(context: { model: ModelPackage; seconds: number; python: string; bars: ProgressBars }): Promise<Record<string, number | null>>;
}

const benchmarks: Record<string, Benchmark> = {
  pipeline: {
    title: 'whole pipeline ÷ bare ONNX Runtime, windows/s (goal: pipelineRatio ≥ 0.9)',
    run: ({ model }) => benchPipeline(model),
  },
  features: {
    title: 'features of one hop ÷ librosa recomputing the window (goal: featuresRatio ≤ 0.05)',
    run: ({ python }) => Promise.resolve(benchFeatures(python)),
  },
  latency: {
    title: 'p99 latency of one live stream ÷ one inference (goal: latencyRatio ≤ 3)',
    run: ({ model }) => benchLatency(model),
  },
  training: {
    title: 'training images/s ÷ PyTorch fp32 on 2 threads, 16 × 1×64×188 and 4 × 1×512×512 (goal: trainingRatio ≥ 0.9, trainingMemoryRatio ≤ 2)',
    long: true,
    run: ({ python, bars }) => benchTraining(python, (done, total) => bars.show('training', done, total)),
  },
  memory: {
    title: 'resident memory over a replay at full speed (goal: flat)',
    long: true,
    run: ({ model, seconds, bars }) => benchMemory(model, seconds, (done) => bars.show('memory', Math.round(done), Math.round(seconds))),
  },
};

export async function bench(name: string, flags: Record<string, unknown>): Promise<void> {
  const chosen = name === 'all' ? Object.keys(benchmarks).filter((each) => !benchmarks[each]!.long) : [name];
  const seconds = Number(flags['seconds']);
  for (const each of chosen) {
    if (!Object.hasOwn(benchmarks, each)) throw usage(`there is no benchmark ${each}`, `Choose one of ${Object.keys(benchmarks).join(', ')} or all.`);
  }
  if (!(seconds >= 5)) throw usage(`--seconds is ${String(flags['seconds'])}`, 'Give at least 5.');
  const model = await loadModelPackage(await defaultModelFolder(String(flags['model'])));
  const bars = new ProgressBars();
  const results: Record<string, number | null> = {};
  for (const each of chosen) {
    const { title, run } = benchmarks[each]!;
    const numbers = await run({ model, seconds, python: String(flags['python']), bars });
    bars.end();
    Object.assign(results, numbers);
    if (flags['json'] !== true) print(title, numbers);
  }
  if (flags['json'] === true) process.stdout.write(`${JSON.stringify(results)}\n`);
}

function print(title: string, numbers: Record<string, number | null>): void {
  const lines = Object.entries(numbers).map(([key, value]) => `  ${key.padEnd(26)} ${value === null ? 'not measured' : Number(value.toPrecision(4))}`);
  process.stdout.write(`${title}\n${lines.join('\n')}\n\n`);
}

function usage(message: string, remedy: string): StageError {
  return new StageError({ code: 'APP_USAGE', stage: 'app', message, remedy });
}
