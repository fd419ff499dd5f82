import { describe, expect, it } from 'vitest';
import { offlineWindows } from '../../src/features/offline.js';
import { ENVELOPE_RATE_HZ, periodicity } from '../../src/features/periodicity.js';
import { heartFeatures } from '../../src/features/presets.js';
import { FeatureStream } from '../../src/features/feature-stream.js';
import { spectralShape } from '../../src/features/spectral-shape.js';
import type { WindowDescriptors } from '../../src/features/types.js';
import { noise } from './signals.js';

const describeSound = (y: Float32Array): WindowDescriptors => [...offlineWindows(y, heartFeatures)].at(-1)!.descriptors;
const sine = (hz: number, amplitude: number, length = 6000) => Float32Array.from({ length }, (_, i) => amplitude * Math.sin((2 * Math.PI * hz * i) / 2000));

/** Two thuds per beat in a little noise. */
function heart(beatsPerMinute: number, length = 12000): Float32Array {
  const beat = 60 / beatsPerMinute;
  return noise(length, 6).map((n, i) => {
    const t = (i / 2000) % beat;
    const thud = (at: number) => Math.exp(-(((t - at) / 0.02) ** 2));
    return 0.02 * n + 0.3 * (thud(0.1) + 0.6 * thud(0.1 + 0.35 * beat)) * Math.sin(2 * Math.PI * 60 * t);
  });
}

describe('descriptors', () => {
  it('level and silence', () => {
    expect(describeSound(sine(100, 0.5))).toMatchObject({ rms: expect.closeTo(0.5 / Math.SQRT2, 4), peak: expect.closeTo(0.5, 4), filledRatio: 1 });
    const half = sine(100.3, 0.5);
    half.fill(0, 0, 3000);
    expect(describeSound(half).silentRatio).toBeCloseTo(0.5, 3);
    expect(describeSound(new Float32Array(6000).fill(2e-5)).silentRatio).toBe(0);
  });

  it('spectral centroid in Hz, flatness from tone to noise', () => {
    const tone = describeSound(sine(200, 0.5));
    expect(tone.spectralCentroidHz).toBeGreaterThan(195);
    expect(tone.spectralCentroidHz).toBeLessThan(210);
    expect(tone.spectralFlatness).toBeLessThan(0.02);
    const hiss = describeSound(noise(6000, 1));
    expect(hiss.spectralFlatness).toBeGreaterThan(0.8);
    expect(hiss.spectralCentroidHz).toBeCloseTo(500, -2);
  });

  it('spectral shape of a half-silent window is that of its sound', () => {
    const y = sine(200, 0.5);
    y.fill(0, 0, 3072);
    expect(describeSound(y).spectralCentroidHz).toBeCloseTo(describeSound(sine(200, 0.5)).spectralCentroidHz, -1);
  });

  it('is right whatever others do to Meyda’s global configuration', () => {
    const y = sine(200, 0.5);
    const before = describeSound(y);
    spectralShape(noise(2048, 1), 44100);
    expect(describeSound(y)).toEqual(before);
  });

  it.each([45, 72, 110, 160])('periodicity of a heart at %d beats per minute is high', (bpm) => {
    expect(describeSound(heart(bpm)).periodicity).toBeGreaterThan(0.6);
  });

  it('periodicity of noise and of a steady tone is about nothing', () => {
    const scores = Array.from({ length: 40 }, (_, seed) => describeSound(noise(6000, seed * 7919)).periodicity).sort((a, b) => a - b);
    expect(scores[36]).toBeLessThan(0.1);
    expect(describeSound(sine(50, 0.4)).periodicity).toBeLessThan(0.1);
  });

  it('counts clipped and non-finite source samples under the window only', () => {
    const stream = new FeatureStream(heartFeatures);
    const seen: WindowDescriptors[] = [];
    for (let i = 0; i < 40; i++) {
      const bad = i < 4;
      const chunk = { kind: 'chunk', streamId: 's', sampleRateHz: 2000, samples: noise(500, i), startSample: i * 500, capturedAtMs: 0 } as const;
      stream.push({ ...chunk, clippedSamples: bad ? 200 : 0, nonFiniteSamples: bad ? 10 : 0, sourceSamples: 1000 }, (item) => {
        if (item.kind === 'window') seen.push(item.descriptors);
      });
    }
    // The first window is 6016 samples: 2000 bad ones at 20 % clipped, 20 non-finite per 1000.
    expect(seen[0]!.clippedRatio).toBeCloseTo((2000 / 6016) * 0.2, 3);
    expect(seen[0]!.nonFiniteRatio).toBeCloseTo((2000 / 6016) * 0.01, 4);
    expect(seen.at(-1)).toMatchObject({ clippedRatio: 0, nonFiniteRatio: 0 });
  });

  it.each([1, 2, 300, 6000])('is finite for a lone first sample and %d in all', (length) => {
    const y = new Float32Array(length);
    y[0] = 0.5;
    for (const [name, value] of Object.entries(describeSound(y))) expect([name, Number.isFinite(value)]).toEqual([name, true]);
  });

  it('periodicity of short and constant envelopes is 0', () => {
    expect(periodicity(new Float32Array(0))).toBe(0);
    expect(periodicity(new Float32Array(3 * ENVELOPE_RATE_HZ).fill(0.3))).toBe(0);
    expect(periodicity(new Float32Array(20).map((_, i) => i % 2))).toBe(0);
  });
});
