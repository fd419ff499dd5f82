import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/common/paths.js';
import { powerToDb } from '../../src/features/decibels.js';
import { melSpectrogram } from '../../src/features/mel-spectrogram.js';
import type { MelParams } from '../../src/features/types.js';
import { readNpy } from './npy.js';
import { nextState } from './signals.js';

const folder = join(packageRoot, 'test', 'fixtures', 'golden');

/** librosa's parameters as scripts/make-goldens.py wrote them. */
interface Case {
  name: string;
  samples: number;
  silent: number;
  mel: { sr: number; n_fft: number; win_length: number; hop_length: number; n_mels: number; fmin: number; fmax: number; pad_mode: 'reflect' | 'constant'; center?: boolean; power?: number; htk?: boolean; norm?: null };
  db: { ref: number | 'max'; amin: number; top_db: number | null };
}

const { cases } = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as { cases: Case[] };

describe('features against librosa (test/fixtures/golden)', () => {
  it.each(cases)('$name', ({ name, samples, silent, mel, db }) => {
    const golden = readNpy(join(folder, `${name}.mel.npy`));
    const { data, frames } = melSpectrogram(sound(samples, mel.sr, silent), paramsOf(mel));
    expect([mel.n_mels, frames]).toEqual(golden.shape);
    const largest = golden.data.reduce((max, x) => Math.max(max, x), 0);
    // Power spans many decades; librosa's float32 leaves 1e-7 of the largest.
    expect(worst(data, golden.data, (x) => Math.max(x, 1e-3 * largest))).toBeLessThan(1e-4);
    const decibels = powerToDb(data, { ref: db.ref, amin: db.amin, topDb: db.top_db });
    expect(worst(decibels, readNpy(join(folder, `${name}.db.npy`)).data, () => 1)).toBeLessThan(1e-4);
  });
});

function paramsOf(mel: Case['mel']): MelParams {
  return {
    sampleRateHz: mel.sr,
    nFft: mel.n_fft,
    winLength: mel.win_length,
    hopLength: mel.hop_length,
    window: 'hann',
    center: mel.center ?? true,
    padMode: mel.pad_mode,
    power: mel.power ?? 2,
    nMels: mel.n_mels,
    fMinHz: mel.fmin,
    fMaxHz: mel.fmax,
    htk: mel.htk ?? false,
    norm: mel.norm === null ? null : 'slaney',
  };
}

/** The same sound as in scripts/make-goldens.py. */
function sound(samples: number, rateHz: number, silent: number): Float32Array {
  let state = 12345;
  return Float32Array.from({ length: samples }, (_, i) => {
    state = nextState(state);
    const t = i / rateHz;
    const chirp = 0.3 * Math.sin(2 * Math.PI * (30 * t + ((0.4 * rateHz - 30) * t * t) / ((2 * samples) / rateHz)));
    const click = i % Math.floor(0.21 * rateHz) === 50 ? 0.8 : 0;
    return i < silent ? 0 : chirp + click + 0.01 * (state / 2 ** 32 - 0.5);
  });
}

function worst(actual: Float32Array, expected: Float32Array, scale: (x: number) => number): number {
  return actual.reduce((max, x, i) => Math.max(max, Math.abs(x - expected[i]!) / scale(expected[i]!)), actual.length === expected.length ? 0 : Infinity);
}
