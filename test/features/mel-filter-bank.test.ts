import { describe, expect, it } from 'vitest';
import { hannWindow } from '../../src/features/analysis-window.js';
import { hzToMel, melFilterBank, melToHz } from '../../src/features/mel-filter-bank.js';
import { heartFeatures } from '../../src/features/presets.js';

describe('melFilterBank', () => {
  it('names bands that hold no FFT bin, and their rows are zero', () => {
    const bank = melFilterBank({ ...heartFeatures.mel, nFft: 128, winLength: 128, nMels: 128, fMinHz: 0 });
    expect(bank.emptyFilters.length).toBeGreaterThan(5);
    for (let band = 0; band < bank.nMels; band++) {
      const empty = bank.dense.subarray(band * bank.bins, (band + 1) * bank.bins).every((weight) => weight === 0);
      expect(bank.emptyFilters.includes(band)).toBe(empty);
    }
  });

  it('sparse form = dense form', () => {
    const bank = melFilterBank(heartFeatures.mel);
    const rebuilt = new Float32Array(bank.dense.length);
    for (let band = 0; band < bank.nMels; band++) {
      rebuilt.set(bank.weights.subarray(bank.offsets[band], bank.offsets[band + 1]), band * bank.bins + bank.firstBin[band]!);
    }
    expect(rebuilt).toEqual(bank.dense);
  });

  it('scales invert each other; Slaney’s is linear to 1 kHz, HTK’s gives 1000 mel at 1 kHz', () => {
    for (const htk of [true, false]) for (const hz of [0, 20, 440, 999, 1000, 1001, 4000]) expect(melToHz(hzToMel(hz, htk), htk)).toBeCloseTo(hz, 8);
    expect(hzToMel(500, false)).toBeCloseTo(7.5, 12);
    expect(hzToMel(6400, false)).toBeCloseTo(42, 12);
    expect(hzToMel(1000, true)).toBeCloseTo(1000, 1);
  });
});

describe('hannWindow', () => {
  it('is periodic, not symmetric', () => {
    expect(Array.from(hannWindow(4))).toEqual([0, expect.closeTo(0.5), 1, expect.closeTo(0.5)]);
    expect(Array.from(hannWindow(1))).toEqual([1]);
  });
});
