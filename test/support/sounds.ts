/** Sound files for tests: synthesised hearts as WAV, and real recordings where the shared data are. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { optionsOf, type SynthKind } from '../../src/capture/synth/synth-source.js';
import { Phonocardiogram, type PhonocardiogramOptions } from '../../src/capture/synth/phonocardiogram.js';
import { packageRoot } from '../../src/common/paths.js';
import { int16Bytes, wavBytes, type WavParts } from '../capture/wav-bytes.js';

/** `seconds` of a synthesised heart in ±1. */
export function heart(seconds: number, kind: SynthKind = 'murmur', options: PhonocardiogramOptions = {}): Float32Array {
  const synth = new Phonocardiogram(optionsOf(kind, { seed: 7, ...options }));
  return synth.render(Math.round(seconds * synth.sampleRateHz));
}

/** Writes 16-bit mono at `sampleRateHz` (anything else by `parts`). Returns the path. */
export function writeWav(path: string, samples: ArrayLike<number>, sampleRateHz = 4000, parts: Partial<WavParts> = {}): string {
  const integers = Array.from(samples, (x) => Math.max(-32768, Math.min(32767, Math.round(x * 32768))));
  writeFileSync(path, wavBytes({ bits: 16, sampleRateHz, data: int16Bytes(integers), ...parts }));
  return path;
}

/** Writes 32-bit floats, NaN and infinities included. Returns the path. */
export function writeFloatWav(path: string, samples: ArrayLike<number>, sampleRateHz = 4000): string {
  const data = Buffer.alloc(samples.length * 4);
  for (let i = 0; i < samples.length; i++) data.writeFloatLE(samples[i]!, i * 4);
  writeFileSync(path, wavBytes({ bits: 32, tag: 3, sampleRateHz, data }));
  return path;
}

const DATA = join(packageRoot, '..', 'shared', 'data');

/** One real recording each of PASCAL (4 kHz) and PhysioNet 2016 (2 kHz); empty where the shared data are not. */
export const realRecordings: readonly string[] = [join('pascal', 'set_b'), join('physionet2016', 'training-b')].flatMap((folder) => {
  const path = join(DATA, folder);
  const first = existsSync(path) ? readdirSync(path).filter((name) => name.endsWith('.flac')).sort()[0] : undefined;
  return first === undefined ? [] : [join(path, first)];
});

/** For titles of tests that need them. */
export const noRealRecordings = realRecordings.length === 2 ? '' : ` (skipped: no recordings in ${DATA})`;
