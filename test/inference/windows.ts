/** Feature windows for tests of batching; their content does not matter unless given. */
import type { FeatureWindow } from '../../src/features/types.js';

export function featureWindow(streamId: string, seq: number, input: Float32Array = Float32Array.of(seq, 0)): FeatureWindow {
  return {
    kind: 'window', streamId, seq, startSample: seq * 100, endSample: seq * 100 + 500, sampleRateHz: 2000, capturedAtMs: seq * 50, input,
    descriptors: { rms: 0.1, peak: 0.5, clippedRatio: 0, nonFiniteRatio: 0, spectralFlatness: 0.1, spectralCentroidHz: 100, periodicity: 0.8, silentRatio: 0, filledRatio: 1 },
  };
}
