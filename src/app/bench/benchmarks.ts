/** The benchmarks, each a function that measures and returns plain numbers; printing is the command's. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { filter, firstValueFrom, takeUntil, timer, toArray } from 'rxjs';
import { synthSource } from '../../capture/synth/synth-source.js';
import { packageRoot } from '../../common/paths.js';
import type { ModelPackage } from '../../inference/model-package.js';
import { InferenceService } from '../../inference/service.js';
import type { Prediction, StationMessage } from '../../protocol/messages.js';
import { labelOptionsOf } from '../model-facts.js';
import { pipeline } from '../pipeline.js';
import { bareRuntime } from './bare.js';
import { minuteOfSound, replay } from './replay.js';
import { median, quantile, slope } from './statistics.js';

const BATCH = 8;
const ROUNDS = 5;
const ROUND_SECONDS = 4;

const startService = (model: ModelPackage) => InferenceService.start({ model, engine: 'onnx', batching: { maxBatchSize: BATCH } });

/**
 * Windows per second of the whole pipeline over those of bare ONNX Runtime at the same shape, batch and threads.
 * The two take turns, so that a noisy neighbour hits both; the ratio is the median over the turns.
 */
export async function benchPipeline(model: ModelPackage): Promise<Record<string, number>> {
  const bare = await bareRuntime(model);
  const service = await startService(model);
  const sound = minuteOfSound();
  const pairs: { ours: number; bare: number }[] = [];
  try {
    await bare.run(BATCH, 1);
    await replay({ model, service, sound }, 1);
    for (let round = 0; round < ROUNDS; round++) {
      const { predictions, seconds } = await replay({ model, service, sound }, ROUND_SECONDS);
      const times = await bare.run(BATCH, ROUND_SECONDS);
      pairs.push({ ours: predictions / seconds, bare: (1000 * BATCH * times.length) / times.reduce((sum, t) => sum + t, 0) });
    }
  } finally {
    await service.close();
    await bare.close();
  }
  return {
    pipelineRatio: median(pairs.map((pair) => pair.ours / pair.bare)),
    pipelineWindowsPerSecond: median(pairs.map((pair) => pair.ours)),
    bareWindowsPerSecond: median(pairs.map((pair) => pair.bare)),
    batchSize: BATCH,
    threads: bare.threads,
  };
}

/** p99 of latencyMs of one live stream (2 ms chunks, real time) over the median of one bare inference of one window. */
export async function benchLatency(model: ModelPackage, seconds = 30): Promise<Record<string, number>> {
  const bare = await bareRuntime(model);
  const service = await startService(model);
  try {
    await bare.run(1, 1);
    const before = await bare.run(1, 3);
    const predictions = await liveStream(model, service, seconds);
    const after = await bare.run(1, 3);
    const inferenceMs = median([...before, ...after]);
    const latencies = predictions.map((prediction) => prediction.latencyMs);
    return {
      latencyRatio: quantile(latencies, 0.99) / inferenceMs,
      latencyP50Ms: median(latencies),
      latencyP99Ms: quantile(latencies, 0.99),
      latencyMaxMs: Math.max(...latencies),
      inferenceMs,
      windows: latencies.length,
    };
  } finally {
    await service.close();
    await bare.close();
  }
}

async function liveStream(model: ModelPackage, service: InferenceService, seconds: number): Promise<Prediction[]> {
  const source = synthSource({ kind: 'normal' });
  const messages$ = pipeline(source.open().pipe(takeUntil(timer(1000 * seconds))), {
    features: model.manifest.features,
    channel: 'mix',
    labels: labelOptionsOf(model.manifest, { smoothingMs: 500, margin: 0.1, unknownBelow: null }),
    infer: (windows$) => service.infer(windows$),
    display: true,
  });
  const isPrediction = (message: StationMessage): message is Prediction => message.type === 'prediction';
  const predictions = await firstValueFrom(messages$.pipe(filter(isPrediction), toArray()));
  // The first windows pay for compiling the code; a station pays that once.
  return predictions.slice(4);
}

/** Resident memory over a replay at full speed: its slope after a warm-up of a tenth. */
export async function benchMemory(model: ModelPackage, seconds: number, onSample: (done: number) => void): Promise<Record<string, number>> {
  const service = await startService(model);
  const samples: { second: number; megabytes: number }[] = [];
  const from = performance.now();
  let next = 0;
  const sample = () => {
    const second = (performance.now() - from) / 1000;
    if (second < next) return;
    next = second + seconds / 120;
    samples.push({ second, megabytes: process.memoryUsage.rss() / 1e6 });
    onSample(second);
  };
  try {
    const { predictions } = await replay({ model, service, sound: minuteOfSound() }, seconds, sample);
    const settled = samples.filter(({ second }) => second > seconds / 10);
    const perMinute = 60 * slope(settled.map((s) => s.second), settled.map((s) => s.megabytes));
    return {
      seconds,
      predictions,
      rssStartMb: settled[0]?.megabytes ?? NaN,
      rssEndMb: settled.at(-1)?.megabytes ?? NaN,
      rssMaxMb: Math.max(...samples.map((s) => s.megabytes)),
      rssGrowthMbPerMinute: perMinute,
    };
  } finally {
    await service.close();
  }
}

/** Features for one hop beside librosa (scripts/bench-features.mjs); `featuresRatio` is null where no Python has librosa. */
export function benchFeatures(python: string): Record<string, number | null> {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(packageRoot, 'scripts', 'bench-features.mjs'), '--json', '--python', python], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  const measured = JSON.parse(stdout) as {
    hopInputMs: { p50Ms: number };
    hopAllMs: { p50Ms: number };
    librosa: { input: { p50Ms: number }; inputAndDescriptors: { p50Ms: number } } | null;
    hopInputToLibrosa: number | null;
    hopAllToLibrosa: number | null;
  };
  return {
    featuresRatio: measured.hopInputToLibrosa,
    featuresWithDescriptorsRatio: measured.hopAllToLibrosa,
    hopInputMs: measured.hopInputMs.p50Ms,
    hopWithDescriptorsMs: measured.hopAllMs.p50Ms,
    librosaInputMs: measured.librosa?.input.p50Ms ?? null,
    librosaWithDescriptorsMs: measured.librosa?.inputAndDescriptors.p50Ms ?? null,
  };
}
