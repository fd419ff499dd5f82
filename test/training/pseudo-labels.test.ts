import { describe, expect, it } from 'vitest';
import type { LoadedRecording } from '../../src/training/audio-cache.js';
import { ARTIFACT, MURMUR, NORMAL } from '../../src/training/label-map.js';
import { countLabels, pseudoLabelled } from '../../src/training/pseudo-labels.js';

const recording = (file: string): LoadedRecording => ({ file, path: `/${file}`, dataset: 'pascal-b', label: '', sublabel: '', subject: file, site: '', set: 0, group: file, pcm: new Float32Array(1), durationS: 1 });
const recordings = ['a', 'b', 'c', 'd', 'e'].map(recording);
/** Logits of probabilities. */
const window = (...p: number[]) => p.map((x) => Math.log(x));

describe('pseudo-labels', () => {
  it('are given where the mean over the windows is sure, and only labels that the target has', () => {
    const taken = pseudoLabelled(
      recordings,
      [
        { file: 'a', windows: [window(0.95, 0.03, 0.01, 0.01)] },
        { file: 'b', windows: [window(0.02, 0.95, 0.02, 0.01), window(0.11, 0.87, 0.01, 0.01)] },
        { file: 'c', windows: [window(0.95, 0.03, 0.01, 0.01), window(0.4, 0.4, 0.1, 0.1)] },
        { file: 'd', windows: [window(0.01, 0.01, 0.01, 0.97)] },
        { file: 'e', windows: [] },
      ],
      new Set([NORMAL, MURMUR]),
      0.9,
    );
    expect(taken.map(({ file, set, label }) => [file, set, label])).toEqual([
      ['a', NORMAL, 'normal'],
      ['b', MURMUR, 'murmur'],
    ]);
    expect(countLabels(taken)).toEqual({ normal: 1, murmur: 1 });
    expect(recordings.every(({ set }) => set === 0)).toBe(true);
    expect(pseudoLabelled(recordings, [{ file: 'd', windows: [window(0.01, 0.01, 0.01, 0.97)] }], new Set([ARTIFACT]))).toHaveLength(1);
  });
});
