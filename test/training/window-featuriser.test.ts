import { describe, expect, it } from 'vitest';
import { articleFeatures, heartFeatures, melSpectrogram, windowSpanSamples, type FeatureParams } from '../../src/features/index.js';
import { Phonocardiogram } from '../../src/capture/synth/phonocardiogram.js';
import { windowFeaturiser } from '../../src/training/window-featuriser.js';

/** The same from the offline spectrogram, step by step: uncentred frames, tiled, then normalised. */
function plainly(pcm: Float32Array, params: FeatureParams): number[] {
  const { mel, db, windowFrames } = params;
  const { data, frames: all } = melSpectrogram(pcm, { ...mel, center: false });
  const frames = Math.min(all, windowFrames);
  const byRms = params.normalisation === 'windowRms-bandMean-windowStd';
  const meanSquare = byRms ? pcm.reduce((sum, x) => sum + x * x, 0) / pcm.length : 1;
  const level = (power: number) => 10 * Math.log10(Math.max(db.amin, power / meanSquare));
  let rows = Array.from({ length: mel.nMels }, (_, b) => Array.from({ length: windowFrames }, (_, t) => level(data[b * all + (t % frames)]!)));
  const top = Math.max(...rows.flat());
  const reference = db.ref === 'max' ? top : 0;
  rows = rows.map((row) => row.map((x) => Math.max(x, db.topDb === null ? -Infinity : top - db.topDb) - reference));
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const overall = mean(rows.flat());
  const centred = rows.map((row) => row.map((x) => x - (byRms ? mean(row) : overall))).flat();
  const deviation = Math.sqrt(centred.reduce((sum, x) => sum + x * x, 0) / (centred.length - 1));
  return centred.map((x) => x / (deviation + 1e-3));
}

describe('window featuriser', () => {
  it.each([
    ['heart, a whole window', heartFeatures, windowSpanSamples(heartFeatures)],
    ['heart, a short segment, tiled', heartFeatures, 2500],
    ['heart, one frame', heartFeatures, 256],
    ['article, tiled', articleFeatures, 6000],
  ])('gives what the offline spectrogram gives: %s', (_, params, length) => {
    const pcm = new Phonocardiogram({ seed: 5, sampleRateHz: params.mel.sampleRateHz }).render(length);
    const input = windowFeaturiser(params)(pcm);
    // The window of a whole span measures its level under the analysis windows only: a hair's breadth apart.
    const expected = plainly(pcm, params);
    input.forEach((x, i) => expect(Math.abs(x - expected[i]!)).toBeLessThan(2e-2));
    expect(input).toHaveLength(params.mel.nMels * params.windowFrames);
  });

  it('does not remember the segment before', () => {
    const featurise = windowFeaturiser(heartFeatures);
    const pcm = new Phonocardiogram({ seed: 6, sampleRateHz: 2000 }).render(6000);
    const first = featurise(pcm.slice(0, 2000));
    featurise(pcm.slice(0, 5500));
    expect(featurise(pcm.slice(0, 2000))).toEqual(first);
  });
});
