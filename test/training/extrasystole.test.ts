/** A score that follows noise alone looks like extrasystole knowledge until noisy normal clips are left out. */
import { describe, expect, it } from 'vitest';
import type { LoadedRecording } from '../../src/training/audio-cache.js';
import { extrasystoleFigures } from '../../src/training/extrasystole.js';
import { EXTRASYSTOLE, NORMAL } from '../../src/training/label-map.js';
import type { ClipPrediction } from '../../src/training/summary.js';

function clip(index: number, set: number, sublabel: string, extrasystole: number): { prediction: ClipPrediction; recording: LoadedRecording } {
  const recording = { file: `${index}.wav`, group: `s${index}`, set, sublabel } as LoadedRecording;
  return { recording, prediction: { ...recording, probabilities: [1 - extrasystole, 0, extrasystole, 0] } as unknown as ClipPrediction };
}

function figures(clips: readonly ReturnType<typeof clip>[]) {
  return extrasystoleFigures(clips.map((c) => c.prediction), clips.map((c) => c.recording), 1, 200);
}

describe('extrasystole against normal', () => {
  it('is judged against clean normal clips too', () => {
    const clips = [
      ...Array.from({ length: 20 }, (_, i) => clip(i, EXTRASYSTOLE, '', 0.3 + (i % 2) * 0.1)),
      ...Array.from({ length: 20 }, (_, i) => clip(100 + i, NORMAL, '', 0.3 + (i % 2) * 0.1)),
      ...Array.from({ length: 20 }, (_, i) => clip(200 + i, NORMAL, 'noisynormal', 0.1)),
    ];
    const found = figures(clips);
    expect(found).toMatchObject({ clips: 20, cleanNormals: 20 });
    expect(found?.againstNormal.value).toBeCloseTo(0.75, 6);
    expect(found?.againstNormal.low).toBeGreaterThan(0.5);
    expect(found?.againstCleanNormal?.value).toBeCloseTo(0.5, 6);
  });

  it('has no clean figure where no sub-label marks noise, and none at all where a class is missing', () => {
    const clips = [clip(1, EXTRASYSTOLE, '', 0.9), clip(2, NORMAL, '', 0.1)];
    expect(figures(clips)).toMatchObject({ againstNormal: { value: 1 }, againstCleanNormal: null });
    expect(figures(clips.slice(0, 1))).toBeNull();
  });
});
