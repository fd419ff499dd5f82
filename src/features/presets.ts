/** Feature parameters by name. A model package's manifest holds its own copy, which is the one that counts. */
import type { FeatureParams } from './types.js';

/** The shipped model's: 2 kHz, 64 ms Hann windows every 16 ms, 64 bands of 20–950 Hz, windows of 188 frames (3 s) every 256 ms. */
export const heartFeatures: FeatureParams = {
  mel: {
    sampleRateHz: 2000,
    nFft: 256,
    winLength: 128,
    hopLength: 32,
    window: 'hann',
    center: true,
    padMode: 'reflect',
    power: 2,
    nMels: 64,
    fMinHz: 20,
    fMaxHz: 950,
    htk: false,
    norm: 'slaney',
  },
  db: { amin: 1e-7, ref: 1, topDb: null },
  normalisation: 'windowRms-bandMean-windowStd',
  windowFrames: 188,
  windowHopFrames: 16,
  dcBlockHz: 10,
};

/** The article's: 4 kHz, 512 ms windows (they smear S1 into S2) every 128 ms, 128 bands up to 2 kHz, 80 dB below the loudest; windows of 24 frames (3 s) every 256 ms. */
export const articleFeatures: FeatureParams = {
  mel: {
    sampleRateHz: 4000,
    nFft: 2048,
    winLength: 2048,
    hopLength: 512,
    window: 'hann',
    center: true,
    padMode: 'constant',
    power: 2,
    nMels: 128,
    fMinHz: 0,
    fMaxHz: 2000,
    htk: false,
    norm: 'slaney',
  },
  db: { amin: 1e-10, ref: 'max', topDb: 80 },
  normalisation: 'windowMeanStd',
  windowFrames: 24,
  windowHopFrames: 2,
  dcBlockHz: 0,
};
