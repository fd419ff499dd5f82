import { describe, expect, it } from 'vitest';
import type { LoadedRecording } from '../../src/training/audio-cache.js';
import { ARTIFACT, EXTRASYSTOLE, MURMUR, NORMAL } from '../../src/training/label-map.js';
import { countLabels, labelMix, pseudoLabelled } from '../../src/training/pseudo-labels.js';

const recording = (file: string): LoadedRecording => ({ file, path: `/${file}`, dataset: 'pascal-b', label: '', sublabel: '', subject: file, site: '', set: 0, group: file, pcm: new Float32Array(1), durationS: 1 });
const recordings = ['a', 'b', 'c', 'd', 'e'].map(recording);
/** Logits of probabilities. */
const window = (...p: number[]) => p.map((x) => Math.log(x));
/** No label rarer in the draws than in the recordings. */
const even = (...sets: number[]) => new Map(sets.map((set) => [set, 1]));

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
      even(NORMAL, MURMUR),
      0.9,
    );
    expect(taken.map(({ file, set, label }) => [file, set, label])).toEqual([
      ['a', NORMAL, 'normal'],
      ['b', MURMUR, 'murmur'],
    ]);
    expect(countLabels(taken)).toEqual({ normal: 1, murmur: 1 });
    expect(recordings.every(({ set }) => set === 0)).toBe(true);
    expect(pseudoLabelled(recordings, [{ file: 'd', windows: [window(0.01, 0.01, 0.01, 0.97)] }], even(ARTIFACT))).toHaveLength(1);
  });

  it('are asked for at the mix of the recordings, where rare labels were drawn more often than they come', () => {
    const mix = labelMix([...Array<number>(64).fill(NORMAL), ...Array<number>(16).fill(MURMUR), ...Array<number>(4).fill(EXTRASYSTOLE)].map((set) => ({ set })), 0.5);
    expect([mix.get(NORMAL), mix.get(MURMUR), mix.get(EXTRASYSTOLE), mix.has(ARTIFACT)]).toEqual([8, 4, 2, false]);
    // .6 · 8 against .1 · 4 and .2 · 2 is 6 sevenths of the .9 that is no artifact: .771.
    const unsure = [{ file: 'a', windows: [window(0.6, 0.1, 0.2, 0.1)] }];
    expect(pseudoLabelled(recordings, unsure, mix, 0.78)).toEqual([]);
    expect(pseudoLabelled(recordings, unsure, mix, 0.77).map(({ set }) => set)).toEqual([NORMAL]);
    // An artifact stays one: what PASCAL B's labels share is what it leaves.
    expect(pseudoLabelled(recordings, [{ file: 'a', windows: [window(0.1, 0, 0, 0.9)] }], mix, 0)).toEqual([]);
  });

  it('change nothing of the probabilities where labels were drawn as they come', () => {
    const mix = labelMix([{ set: NORMAL }, { set: NORMAL }, { set: MURMUR }], 1);
    const windows = [window(0.3, 0.7, 0, 0)];
    expect(pseudoLabelled(recordings, [{ file: 'a', windows }], mix, 0.69)).toHaveLength(1);
    expect(pseudoLabelled(recordings, [{ file: 'a', windows }], mix, 0.71)).toHaveLength(0);
  });
});
