import { describe, expect, it } from 'vitest';
import { validateFeatureParams, windowSpanSamples } from '../../src/features/params.js';
import { FeatureStream } from '../../src/features/feature-stream.js';
import { articleFeatures, heartFeatures } from '../../src/features/presets.js';
import { WindowFeatures } from '../../src/features/window-features.js';
import type { FeatureParams } from '../../src/features/types.js';

const mel = (change: object): FeatureParams => ({ ...heartFeatures, mel: { ...heartFeatures.mel, ...change } });
const db = (change: object): FeatureParams => ({ ...heartFeatures, db: { ...heartFeatures.db, ...change } });

describe('validateFeatureParams', () => {
  it('accepts the presets', () => {
    for (const preset of [heartFeatures, articleFeatures]) expect(() => validateFeatureParams(preset)).not.toThrow();
  });

  it.each([
    [mel({ nFft: 300 }), 'mel.nFft is 300; allowed: a power of two, 2 … 65536'],
    [mel({ nFft: 0 }), 'mel.nFft is 0; allowed: an integer, 2 … 65536'],
    [mel({ winLength: 257 }), 'mel.winLength is 257; allowed: an integer, 1 … 256'],
    [mel({ hopLength: 0.5 }), 'mel.hopLength is 0.5; allowed: an integer, 1 …'],
    [mel({ window: 'hamming' }), 'mel.window is hamming; allowed: hann'],
    [mel({ padMode: 'edge' }), 'mel.padMode is edge; allowed: constant, reflect'],
    [mel({ sampleRateHz: NaN }), 'mel.sampleRateHz is NaN; allowed: a finite number > 0'],
    [mel({ fMaxHz: 1001 }), 'mel.fMaxHz is 1001; allowed: 20 (fMinHz) < fMaxHz ≤ 1000 (half of sampleRateHz)'],
    [mel({ fMinHz: -1 }), 'mel.fMinHz is -1; allowed: 0 ≤ fMinHz < 1000'],
    [mel({ power: 0 }), 'mel.power is 0; allowed: a finite number > 0'],
    [mel({ norm: 'l1' }), 'mel.norm is l1; allowed: slaney, null'],
    [db({ amin: 0 }), 'db.amin is 0; allowed: a finite number > 0'],
    [db({ ref: 'mean' }), 'db.ref is mean'],
    [db({ topDb: -80 }), 'db.topDb is -80'],
    [{ ...heartFeatures, windowFrames: 0 }, 'windowFrames is 0; allowed: an integer, 1 …'],
    [{ ...heartFeatures, dcBlockHz: 1000 }, 'dcBlockHz is 1000; allowed: 0 (off) ≤ dcBlockHz < 1000'],
    [{ ...heartFeatures, normalisation: 'minMax' }, 'normalisation is minMax; allowed: windowRms-bandMean-windowStd, windowMeanStd, none'],
  ])('names the value and what is allowed: %#', (params, message) => {
    const bad = params as FeatureParams;
    expect(() => validateFeatureParams(bad)).toThrow(message);
    expect(() => new FeatureStream(bad)).toThrow(expect.objectContaining({ code: 'FEATURES_PARAM_INVALID', stage: 'features' }));
    expect(() => new WindowFeatures(bad)).toThrow(message);
  });
});

describe('WindowFeatures', () => {
  it('takes exactly one window of samples', () => {
    expect(windowSpanSamples(heartFeatures)).toBe(187 * 32 + 256);
    const features = new WindowFeatures(heartFeatures);
    expect(() => features.windowInput(new Float32Array(6239))).toThrow('the PCM of a window has 6239 values, expected 6240');
    expect(() => features.windowInput(new Float32Array(6240), new Float32Array(3))).toThrow('the output of a window has 3 values, expected 12032');
  });
});
