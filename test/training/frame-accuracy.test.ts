import { describe, expect, it } from 'vitest';
import { heartFeatures } from '../../src/features/index.js';
import type { LoadedRecording } from '../../src/training/audio-cache.js';
import { frameAccuracy } from '../../src/training/frame-accuracy.js';
import { HEART_PHASES, HEART_STATES, STATE_OF_PHASE } from '../../src/training/heart-states.js';

const { windowFrames, mel } = heartFeatures;
const recording = (path: string, seconds: number): LoadedRecording => ({ file: path, path, dataset: 'd', label: '', sublabel: '', subject: '', site: '', set: 1, group: path, pcm: new Float32Array(seconds * mel.sampleRateHz).map((_, i) => Math.sin(i)), durationS: seconds });

/** Says the same state of every frame. */
const always = (state: number) => (_: Float32Array, n: number) => Float32Array.from({ length: n * windowFrames * HEART_STATES.length }, (_v, i) => (i % HEART_STATES.length === state ? 0.7 : 0.1));

describe('frame accuracy', () => {
  const recordings = [recording('/a', 9), recording('/b', 4)];
  // A quarter diastole, the rest systole, the last second of three unknown.
  const states = new Map([['/a', Array.from({ length: 3 }, (_, i) => [{ startS: 3 * i, endS: 3 * i + 0.5, state: 3 }, { startS: 3 * i + 0.5, endS: 3 * i + 2, state: 1 }]).flat()]]);

  it('counts known frames of clips with states, about once each', async () => {
    const systole = (await frameAccuracy(recordings, states, heartFeatures, always(1)))!;
    const perSecond = mel.sampleRateHz / mel.hopLength;
    expect(systole.clips).toBe(1);
    expect(systole.frames).toBeGreaterThan(0.6 * 6 * perSecond);
    expect(systole.frames).toBeLessThan(1.2 * 6 * perSecond);
    expect(systole.value).toBeGreaterThan(0.65);
    expect(systole.value).toBeLessThan(0.85);
    expect(systole.recall).toEqual({ S1: null, systole: 1, S2: null, diastole: 0 });
    const diastole = (await frameAccuracy(recordings, states, heartFeatures, always(3)))!;
    expect(diastole.value).toBeCloseTo(1 - systole.value, 10);
    expect((await frameAccuracy(recordings, states, heartFeatures, always(0)))!.value).toBe(0);
  });

  it('judges a head of phases by the states that they are part of', async () => {
    // Spread over three phases, systole has the most although each of them has less than diastole's one.
    const phases = [0, 0.2, 0.2, 0.2, 0.05, 0.35, 0, 0];
    const ofPhases = (_: Float32Array, n: number) => Float32Array.from({ length: n * windowFrames * HEART_PHASES.length }, (_v, i) => phases[i % phases.length]!);
    expect(STATE_OF_PHASE[phases.indexOf(0.35)]).toBe(3);
    expect(await frameAccuracy(recordings, states, heartFeatures, ofPhases)).toEqual(await frameAccuracy(recordings, states, heartFeatures, always(1)));
  });

  it('is null where no state is known', async () => {
    expect(await frameAccuracy(recordings, new Map(), heartFeatures, always(0))).toBeNull();
    expect(await frameAccuracy(recordings, new Map([['/a', []]]), heartFeatures, always(0))).toBeNull();
  });
});
