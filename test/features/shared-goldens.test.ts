import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/common/paths.js';
import { powerToDb } from '../../src/features/decibels.js';
import { melFilterBank } from '../../src/features/mel-filter-bank.js';
import { melSpectrogram } from '../../src/features/mel-spectrogram.js';
import { MelKernel } from '../../src/features/kernel/mel-kernel.js';
import { articleFeatures, heartFeatures } from '../../src/features/presets.js';
import { rmsOf } from '../../src/features/window-features.js';
import { readNpy } from './npy.js';

const folder = join(packageRoot, '..', 'shared', 'golden');
const golden = (name: string): Float32Array => readNpy(join(folder, `${name}.npy`)).data;

describe.skipIf(!existsSync(folder))('features against ../shared/golden (skipped where that folder is not there)', () => {
  it('filter banks of both parameter sets', () => {
    expectClose(melFilterBank(heartFeatures.mel).dense, golden('filterbank_best_64x129'), 1e-7);
    expectClose(melFilterBank(articleFeatures.mel).dense, golden('filterbank_seed_128x1025'), 1e-7);
    expect(melFilterBank(heartFeatures.mel).emptyFilters).toEqual([]);
    expect(melFilterBank(articleFeatures.mel).emptyFilters).toEqual([]);
  });

  describe.each(['g0', 'g1', 'g2'])('%s', (id) => {
    it("the article's mel spectrogram and decibels", () => {
      const mel = melSpectrogram(golden(`${id}_y4000`), articleFeatures.mel);
      expectRelative(mel.data, golden(`${id}_seed_mel`), 1e-4);
      expectClose(powerToDb(mel.data, { amin: 1e-10, ref: 'max', topDb: 80 }), golden(`${id}_seed_db_refmax`), 1e-4);
      expectClose(powerToDb(mel.data, { amin: 1e-10, ref: 1, topDb: 80 }), golden(`${id}_seed_db_ref1`), 1e-4);
    });

    it("the heart set's mel spectrogram and decibels", () => {
      const mel = melSpectrogram(wholeRecordingNormalised(golden(`${id}_y2000`)), heartFeatures.mel);
      expectRelative(mel.data, golden(`${id}_best_mel`), 1e-4);
      expectClose(powerToDb(mel.data, heartFeatures.db), golden(`${id}_best_db`), 1e-4);
    });

    it('normalised by band and over the window, the signal divided by its RMS through a shift of the decibels', () => {
      const y = minusMean(golden(`${id}_y2000`));
      const rms = rmsOf(y, 0, y.length) + 1e-8;
      const { logPower, frames } = logMel(y);
      const normalised = (normalisation: 'windowRms-bandMean-windowStd' | 'windowMeanStd', windowFrames: number, source: Float32Array, gain: number) => {
        const kernel = new MelKernel({ ...heartFeatures, normalisation, windowFrames }, windowFrames);
        kernel.history.set(source);
        return kernel.normalise(0, gain);
      };
      expectClose(normalised('windowRms-bandMean-windowStd', frames, logPower, rms), golden(`${id}_best_norm_band`), 1e-4);
      expectClose(normalised('windowRms-bandMean-windowStd', 188, tiled(logPower, 188), rms), golden(`${id}_best_input_band_188`), 1e-4);
      const scaled = logMel(y.map((x) => x / rms)).logPower;
      expectClose(normalised('windowMeanStd', frames, scaled, 1), golden(`${id}_best_norm_global`), 1e-4);
      expectClose(normalised('windowMeanStd', 188, tiled(scaled, 188), 1), golden(`${id}_best_input_global_188`), 1e-4);
    });
  });
});

/** Mean and RMS are rounded to float32 first, as numpy did for the goldens: at −70 dB the rounding of the input is what shows. */
function minusMean(y: Float32Array): Float32Array {
  const mean = Math.fround(y.reduce((sum, x) => sum + x, 0) / y.length);
  return y.map((x) => x - mean);
}

function wholeRecordingNormalised(y: Float32Array): Float32Array {
  const centred = minusMean(y);
  const rms = Math.fround(rmsOf(centred, 0, centred.length) + 1e-8);
  return centred.map((x) => x / rms);
}

/** Band-major 10·log10 of the mel power. */
function logMel(y: Float32Array): { logPower: Float32Array; frames: number } {
  const { data, frames } = melSpectrogram(y, heartFeatures.mel);
  return { logPower: data.map((power) => 10 * Math.log10(Math.max(1e-30, power))), frames };
}

/** Each of 64 rows repeated cyclically to `length` frames. */
function tiled(x: Float32Array, length: number): Float32Array {
  const frames = x.length / 64;
  return Float32Array.from({ length: 64 * length }, (_, i) => x[Math.floor(i / length) * frames + ((i % length) % frames)]!);
}

function expectClose(actual: Float32Array, expected: Float32Array, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < actual.length; i++) worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!));
  expect(worst).toBeLessThanOrEqual(tolerance);
}

/** Power spans many decades: differences are relative to the value (or to 1e-6 of the largest where that is more). */
function expectRelative(actual: Float32Array, expected: Float32Array, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  const largest = expected.reduce((max, x) => Math.max(max, x), 0);
  let worst = 0;
  for (let i = 0; i < actual.length; i++) worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!) / Math.max(expected[i]!, 1e-6 * largest));
  expect(worst).toBeLessThanOrEqual(tolerance);
}
