#!/usr/bin/env node
/**
 * Times features for one hop of a live stream (mel frames, normalised window, descriptors, display frames) with mitata,
 * beside librosa computing the whole 3 s window again, on the same machine in the same run.
 *
 *     npm run build && node scripts/bench-features.mjs [--json] [--python /path/to/python]
 *
 * librosa's part needs a Python that has it (`pip install librosa==0.11.0`); without, only ours is measured.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { do_not_optimize, measure } from 'mitata';
import { conditionAll } from '../dist/condition/offline.js';
import { FeatureStream } from '../dist/features/feature-stream.js';
import { WindowFeatures } from '../dist/features/offline.js';
import { heartFeatures } from '../dist/features/presets.js';

const { values: options } = parseArgs({ options: { json: { type: 'boolean', default: false }, python: { type: 'string', default: 'python3' } } });
const hopSamples = heartFeatures.windowHopFrames * heartFeatures.mel.hopLength;

/** Noise with a beat, so that no branch is spared. */
function sound(length, rateHz) {
  let state = 1;
  return Float32Array.from({ length }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32 - 0.5) * (0.05 + Math.exp(-((((i / rateHz) % 0.8) / 0.05) ** 2)));
  });
}

/** A running stream, fed one hop per call in chunks of 20 ms. */
function liveHop() {
  const stream = new FeatureStream(heartFeatures);
  const y = sound(hopSamples * 64, 2000);
  let at = 0;
  const count = { windows: 0 };
  const emit = (item) => {
    if (item.kind === 'window') count.windows += 1;
    do_not_optimize(item);
  };
  const hop = () => {
    for (const end = at + hopSamples; at < end; ) {
      const samples = y.subarray(at % y.length, Math.min((at % y.length) + 40, (at % y.length) + end - at));
      stream.push({ kind: 'chunk', streamId: 's', samples, sampleRateHz: 2000, startSample: at, capturedAtMs: at / 2, clippedSamples: 0, nonFiniteSamples: 0 }, emit);
      at += samples.length;
    }
  };
  return { hop, count };
}

const LIBROSA = `
import timeit, json, numpy as np, librosa
y = np.random.default_rng(1).standard_normal(6000).astype(np.float32)
def window():
    m = librosa.feature.melspectrogram(y=y, sr=2000, n_fft=256, win_length=128, hop_length=32, n_mels=64, fmin=20, fmax=950, pad_mode='reflect')
    db = librosa.power_to_db(m, ref=1.0, amin=1e-7, top_db=None)
    db = db - db.mean(axis=1, keepdims=True)
    return db / (db.std(ddof=1) + 1e-3)
for _ in range(20): window()
times = sorted(timeit.repeat(window, number=1, repeat=300))
print(json.dumps({'version': librosa.__version__, 'p50Ms': times[150] * 1e3, 'minMs': times[0] * 1e3}))
`;

function librosa() {
  const { status, stdout } = spawnSync(options.python, ['-W', 'ignore', '-c', LIBROSA], { encoding: 'utf8' });
  return status === 0 ? JSON.parse(stdout) : null;
}

async function timed(f) {
  const { p50, min, p99 } = await measure(f, { min_cpu_time: 500e6 });
  return { p50Ms: p50 / 1e6, minMs: min / 1e6, p99Ms: p99 / 1e6 };
}

const { hop, count } = liveHop();
for (let i = 0; i < 16; i++) hop();
const liveHopTime = await timed(hop);
const features = new WindowFeatures(heartFeatures);
const pcm = sound(features.spanSamples, 2000);
const input = new Float32Array(features.outputLength);
const wholeWindow = await timed(() => do_not_optimize(features.windowInput(pcm, input)));
const conditionSecond = {};
for (const rateHz of [2000, 4000, 44100, 48000, 192000]) {
  const y = sound(rateHz * 4, rateHz);
  const { p50Ms } = await timed(() => do_not_optimize(conditionAll(y, 1, rateHz, { modelRateHz: 2000, dcBlockHz: 10, channel: 'mix' })));
  conditionSecond[rateHz] = p50Ms / 4;
}
const beside = librosa();
const result = {
  hopMs: liveHopTime,
  windows: count.windows,
  wholeWindowMs: wholeWindow,
  conditionMsPerSecond: conditionSecond,
  librosaWindowMs: beside,
  hopToLibrosa: beside ? liveHopTime.p50Ms / beside.p50Ms : null,
};

if (options.json) console.log(JSON.stringify(result, null, 1));
else {
  const ms = (x) => `${x.toFixed(3)} ms`;
  console.log(`one hop, live (window, descriptors, display frames)  p50 ${ms(result.hopMs.p50Ms)}  p99 ${ms(result.hopMs.p99Ms)}`);
  console.log(`one whole window (WindowFeatures, as training)       p50 ${ms(result.wholeWindowMs.p50Ms)}  p99 ${ms(result.wholeWindowMs.p99Ms)}`);
  for (const [rateHz, time] of Object.entries(conditionSecond)) console.log(`conditioning one second of ${rateHz} Hz mono`.padEnd(53) + `p50 ${ms(time)}`);
  if (beside) console.log(`librosa ${beside.version}, the whole window                  p50 ${ms(beside.p50Ms)}\nhop / librosa window: ${result.hopToLibrosa.toFixed(4)} (1/${(1 / result.hopToLibrosa).toFixed(1)})`);
  else console.log(`librosa: not measured (${options.python} has none)`);
}
