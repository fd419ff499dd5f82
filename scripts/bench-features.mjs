#!/usr/bin/env node
/**
 * Times features for one hop of a live stream with mitata, beside librosa computing the whole 3 s window again, on the
 * same machine in the same run. Like is set against like: the model's input (mel frames, decibels, normalisation), and
 * all that the stage does (that, descriptors and display frames) against librosa's input and descriptors.
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
import { MelKernel } from '../dist/features/kernel/mel-kernel.js';
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

/** The model's input for one hop: new frames, and the window normalised. */
function inputHop() {
  const frames = heartFeatures.windowHopFrames;
  const kernel = new MelKernel(heartFeatures, heartFeatures.windowFrames);
  kernel.input.set(sound(kernel.input.length, 2000));
  for (let column = 0; column + frames <= heartFeatures.windowFrames; column += frames) kernel.frames(frames, column);
  let column = 0;
  return () => {
    kernel.frames(frames, column);
    column = (column + frames) % (heartFeatures.windowFrames - frames);
    do_not_optimize(kernel.normalise(0, 0.1));
  };
}

// One thread: at this size more only wait for each other.
const LIBROSA = `
import os
os.environ['OMP_NUM_THREADS'] = os.environ['OPENBLAS_NUM_THREADS'] = '1'
import timeit, json, numpy as np, librosa
y = np.random.default_rng(1).standard_normal(6000).astype(np.float32)
def window():
    m = librosa.feature.melspectrogram(y=y, sr=2000, n_fft=256, win_length=128, hop_length=32, n_mels=64, fmin=20, fmax=950, pad_mode='reflect')
    db = librosa.power_to_db(m, ref=1.0, amin=1e-7, top_db=None)
    db = db - db.mean(axis=1, keepdims=True)
    return db / (db.std(ddof=1) + 1e-3)
def descriptors():
    kw = dict(y=y, n_fft=256, hop_length=512, center=False)
    flatness = librosa.feature.spectral_flatness(**kw).mean()
    centroid = librosa.feature.spectral_centroid(sr=2000, **kw).mean()
    envelope = librosa.feature.rms(y=y, frame_length=40, hop_length=40, center=False)[0]
    envelope = envelope - envelope.mean()
    beat = librosa.autocorrelate(envelope, max_size=101)[15:].max()
    return flatness, centroid, beat, np.sqrt((y * y).mean()), np.abs(y).max(), (np.abs(y) <= 1e-5).mean()
def both():
    window(); descriptors()
def timed(f):
    for _ in range(20): f()
    times = sorted(timeit.repeat(f, number=1, repeat=400))
    return {'p50Ms': times[200] * 1e3, 'minMs': times[0] * 1e3}
print(json.dumps({'version': librosa.__version__, 'input': timed(window), 'inputAndDescriptors': timed(both)}))
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
for (let i = 0; i < 2000; i++) hop();
const wholeHop = await timed(hop);
const inputOnly = await timed(inputHop());
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
const ratio = (ours, theirs) => (theirs ? ours.p50Ms / theirs.p50Ms : null);
const result = {
  hopInputMs: inputOnly,
  hopAllMs: wholeHop,
  windows: count.windows,
  wholeWindowMs: wholeWindow,
  conditionMsPerSecond: conditionSecond,
  librosa: beside,
  hopInputToLibrosa: ratio(inputOnly, beside?.input),
  hopAllToLibrosa: ratio(wholeHop, beside?.inputAndDescriptors),
};

if (options.json) console.log(JSON.stringify(result, null, 1));
else {
  const line = (what, { p50Ms, minMs }) => console.log(`${what.padEnd(62)} p50 ${p50Ms.toFixed(4)} ms   min ${minMs.toFixed(4)} ms`);
  line("one hop: the model's input (frames, normalised window)", inputOnly);
  line('one hop: everything (input, descriptors, display frames)', wholeHop);
  line('one whole window (WindowFeatures, as training)', wholeWindow);
  for (const [rateHz, time] of Object.entries(conditionSecond)) line(`conditioning one second of ${rateHz} Hz mono`, { p50Ms: time, minMs: time });
  if (beside) {
    line(`librosa ${beside.version}: the whole window's input`, beside.input);
    line(`librosa ${beside.version}: input and descriptors`, beside.inputAndDescriptors);
    const part = (x) => `1/${(1 / x).toFixed(1)}`;
    console.log(`hop to librosa's window: input ${part(result.hopInputToLibrosa)}, everything ${part(result.hopAllToLibrosa)}`);
  } else console.log(`librosa: not measured (${options.python} has none)`);
}
