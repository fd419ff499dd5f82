import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/common/paths.js';
import { sourceSha256 } from '../../src/features/kernel/mel-kernel-binary.js';
import { BATCH_FRAMES, MelKernel } from '../../src/features/kernel/mel-kernel.js';
import { MelTransform } from '../../src/features/mel-transform.js';
import { articleFeatures, heartFeatures } from '../../src/features/presets.js';
import type { DbParams, FeatureParams, Normalisation } from '../../src/features/types.js';
import { noise } from './signals.js';

describe('MelKernel', () => {
  it('was built from the source in wasm/ (if not: node scripts/build-kernel.mjs)', () => {
    const source = readFileSync(join(packageRoot, 'wasm', 'mel-kernel.ts'));
    expect(createHash('sha256').update(source).digest('hex')).toBe(sourceSha256);
  });

  const mel = (change: Partial<FeatureParams['mel']>): FeatureParams => ({ ...heartFeatures, mel: { ...heartFeatures.mel, ...change } });
  it.each<[string, FeatureParams]>([
    ['heart', heartFeatures],
    ['article', articleFeatures],
    ['odd window', mel({ winLength: 77, hopLength: 19 })],
    ['FFT of 2', mel({ nFft: 2, winLength: 2, nMels: 1 })],
    ['FFT of 4', mel({ nFft: 4, winLength: 3, nMels: 2 })],
    ['FFT of 8', mel({ nFft: 8, winLength: 8, nMels: 2 })],
    ['FFT of 512', mel({ nFft: 512, winLength: 512 })],
    ['magnitude', mel({ power: 1 })],
    ['cube', mel({ power: 3 })],
    ['empty bands', mel({ nFft: 64, winLength: 64, nMels: 60 })],
    ['hop beyond the window', mel({ winLength: 20, hopLength: 50 })],
  ])('computes the same frames as MelTransform: %s', (_, params) => {
    const { hopLength, nMels } = params.mel;
    const stride = BATCH_FRAMES + 3;
    const kernel = new MelKernel(params, stride);
    const transform = new MelTransform(params.mel);
    const y = noise(kernel.input.length, 3);
    for (const count of [1, 2, 7, BATCH_FRAMES]) {
      kernel.history.fill(1234);
      kernel.input.set(y);
      kernel.frames(count, 3);
      let worst = 0;
      for (let t = 0; t < count; t++) {
        transform.melPower(y, t * hopLength).forEach((power, band) => {
          worst = Math.max(worst, Math.abs(kernel.history[band * stride + 3 + t]! - 10 * Math.log10(Math.max(1e-30, power))));
        });
      }
      // Single precision at −300 dB (empty bands) is good for 3e-5.
      expect(worst).toBeLessThan(5e-5);
      // Nothing beside the frames asked for is touched.
      for (let band = 0; band < nMels; band++) {
        const row = kernel.history.subarray(band * stride, (band + 1) * stride);
        expect([...row.subarray(0, 3), ...row.subarray(3 + count)].every((x) => x === 1234)).toBe(true);
      }
    }
  });

  it('normalises as its description says, for any number of frames and bands', () => {
    const db = fc.record({ amin: fc.constantFrom(1e-10, 1e-3), ref: fc.constantFrom<DbParams['ref']>(1, 0.01, 'max'), topDb: fc.constantFrom(null, 30, 80) });
    const normalisation = fc.constantFrom<Normalisation>('none', 'windowMeanStd', 'windowRms-bandMean-windowStd');
    fc.assert(
      fc.property(db, normalisation, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 40 }), fc.nat(3), (dbParams, kind, nMels, windowFrames, column) => {
        const params: FeatureParams = { ...mel({ nMels }), db: dbParams, normalisation: kind, windowFrames };
        const stride = windowFrames + 5;
        const kernel = new MelKernel(params, stride);
        kernel.history.set(noise(nMels * stride, nMels * 100 + windowFrames).map((x) => 80 * x - 20));
        const window = Array.from({ length: nMels }, (_, band) => Array.from(kernel.history.subarray(band * stride + column, band * stride + column + windowFrames)));
        const expected = normalised(window, params, 0.05);
        const actual = kernel.normalise(column, 0.05);
        actual.forEach((x, i) => expect(Math.abs(x - expected[i]!)).toBeLessThan(1e-4));
      }),
      { numRuns: 150 },
    );
  });
});

/** The definition, in plain words. */
function normalised(window: number[][], { db, mel, normalisation, windowFrames }: FeatureParams, rms: number): number[] {
  const powers = window.flat().map((x) => 10 ** (x / 10) / (normalisation === 'windowRms-bandMean-windowStd' ? rms ** mel.power : 1));
  const ref = Math.max(db.amin, db.ref === 'max' ? Math.max(...powers) : db.ref);
  const raw = powers.map((x) => 10 * Math.log10(Math.max(db.amin, x) / ref));
  const top = Math.max(...raw);
  const decibels = raw.map((x) => (db.topDb === null ? x : Math.max(x, top - db.topDb)));
  if (normalisation === 'none') return decibels;
  const meanOf = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const means = normalisation === 'windowMeanStd' ? window.map(() => meanOf(decibels)) : window.map((_, band) => meanOf(decibels.slice(band * windowFrames, (band + 1) * windowFrames)));
  const centred = decibels.map((x, i) => x - means[Math.floor(i / windowFrames)]!);
  const std = Math.sqrt(centred.reduce((a, x) => a + x * x, 0) / Math.max(1, centred.length - 1));
  return centred.map((x) => x / (std + 1e-3));
}
