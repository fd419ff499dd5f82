/** Targets of frames against the sound itself: each state of the clip is a tone of its own. */
import { describe, expect, it } from 'vitest';
import { heartFeatures, offlineWindows, windowSpanSamples, type FeatureParams } from '../../src/features/index.js';
import { NO_AUGMENTATION } from '../../src/training/augment.js';
import { ownFrames, segmentTargets, windowStates } from '../../src/training/frame-targets.js';
import { HEART_PHASES, HEART_STATES, parseHeartStates, STATE_OF_PHASE, type StateInterval } from '../../src/training/heart-states.js';
import { ARTIFACT, NORMAL } from '../../src/training/label-map.js';
import { Random } from '../../src/training/random.js';
import { createSampler, type Clip, type SamplerSettings } from '../../src/training/sampler.js';

// Plain decibels: bands can be compared.
const params: FeatureParams = { ...heartFeatures, normalisation: 'none' };
const { windowFrames, mel } = params;
const spanSamples = windowSpanSamples(params);
const S = HEART_STATES.length;

/** Hz of S1, systole, S2, diastole and noise; far enough apart for ±12 %. */
const TONES = [100, 175, 300, 450, 700];
const TOKENS = [...HEART_STATES, '(N'];

/** A clip whose state can be heard, with beats of uneven length and now and then a noisy stretch. */
function audibleClip(seconds: number, seed: number): { pcm: Float32Array; states: StateInterval[] } {
  const random = new Random(seed);
  const pcm = new Float32Array(Math.round(seconds * mel.sampleRateHz));
  const marks: [number, string][] = [];
  let state = random.integer(5);
  let end = 0;
  let phase = 0;
  for (let i = 0; i < pcm.length; i++) {
    if (i / mel.sampleRateHz >= end) {
      if (TOKENS[state] === '(N' && marks.length > 0) marks.push([end, 'N)']);
      state = state === 4 ? 0 : (state + (random.chance(0.1) ? 4 - state : 1)) % 4;
      if (random.chance(0.1)) state = 4;
      marks.push([end, TOKENS[state]!]);
      end += random.uniform(0.13, 0.4);
    }
    phase += (2 * Math.PI * TONES[state]!) / mel.sampleRateHz;
    pcm[i] = 0.3 * Math.sin(phase);
  }
  return { pcm, states: parseHeartStates(JSON.stringify({ file: 'x', states: marks }), 'x')[0]!.states };
}

/** What the spectrogram says of each frame: which tone is loudest (all are as loud, and their bands as wide). */
function heard(input: Float32Array): number[] {
  const hz = bandCentres();
  const edges = [0, ...TONES.slice(1).map((tone, i) => Math.sqrt(tone * TONES[i]!)), Infinity];
  const bandsOf = TONES.map((_, tone) => hz.flatMap((f, b) => (f >= edges[tone]! && f < edges[tone + 1]! ? [b] : [])));
  return Array.from({ length: windowFrames }, (_, t) => {
    const levels = bandsOf.map((bands) => Math.max(...bands.map((b) => input[b * windowFrames + t]!)));
    return levels.indexOf(Math.max(...levels));
  });
}

/** Centres of Slaney's mel bands in Hz (linear up to 1 kHz). */
function bandCentres(): number[] {
  expect(mel.fMaxHz).toBeLessThanOrEqual(1000);
  return Array.from({ length: mel.nMels }, (_, b) => mel.fMinHz + ((mel.fMaxHz - mel.fMinHz) * (b + 1)) / (mel.nMels + 1));
}

/** State of each row; 4 where it is unknown. */
function told(targets: ArrayLike<number>): number[] {
  return Array.from({ length: windowFrames }, (_, t) => {
    const row = Array.from({ length: S }, (_, s) => targets[t * S + s]!);
    expect(row.filter((x) => x === 1).length + row.filter((x) => x === 0).length).toBe(S);
    return row.includes(1) ? row.indexOf(1) : 4;
  });
}

/** Share of frames where both agree, and whether every disagreement is next to a change of state. */
function compare(sound: readonly number[], targets: readonly number[], seam = windowFrames): { agree: number; near: boolean } {
  const agree = sound.filter((state, t) => state === targets[t]).length / windowFrames;
  const near = sound.every((state, t) => [t - 1, t, t + 1].some((u) => targets[Math.min(windowFrames - 1, Math.max(0, u))] === state) || t % seam === 0 || t % seam === seam - 1);
  return { agree, near };
}

const settings = (overrides: Partial<SamplerSettings> = {}): SamplerSettings => ({
  seed: 4,
  batchSize: 6,
  frameClasses: 'states',
  augmentation: NO_AUGMENTATION,
  datasetShares: {},
  siteExponent: 0.5,
  labelExponent: 0.5,
  syntheticArtifactShare: 0,
  segmentLengths: [spanSamples],
  ...overrides,
});

const clips: Clip[] = [1, 2, 3, 4].map((seed) => ({ ...audibleClip(9, seed), dataset: 'physionet2016', site: '', set: NORMAL, group: `${seed}`, name: `${seed}` }));

describe('frame targets', () => {
  it.each([
    ['whole windows', spanSamples, 0],
    ['time-stretched', spanSamples, 0.12],
    ['tiled', 2501, 0],
    ['tiled and stretched', 1777, 0.12],
  ])('say what is heard, within a frame: %s', (_, length, stretch) => {
    const sampler = createSampler(clips, params, settings({ segmentLengths: [length], augmentation: { ...NO_AUGMENTATION, stretch } }));
    const random = new Random(8);
    let agreed = 0;
    let known = 0;
    for (let i = 0; i < 25; i++) {
      const { input, targets } = sampler.draw(random);
      const states = told(targets!);
      const { agree, near } = compare(heard(input), states, ownFrames(length, params));
      expect(near, `${heard(input)}\n${states}`).toBe(true);
      agreed += agree / 25;
      known += states.filter((state) => state < 4).length;
    }
    expect(agreed).toBeGreaterThan(0.93);
    expect(known / 25 / windowFrames).toBeGreaterThan(0.5);
  });

  it('would be noticed two frames off', () => {
    const [{ pcm, states }] = clips as [Clip];
    const at = (startSamples: number) => told(segmentTargets({ states, startSamples, ratio: 1, lengthSamples: spanSamples }, params));
    const sampler = createSampler([{ ...clips[0]!, pcm: pcm.slice(0, spanSamples) }], params, settings());
    const sound = heard(sampler.draw(new Random(1)).input);
    expect(compare(sound, at(0)).near).toBe(true);
    for (const off of [-2, 2]) expect(compare(sound, at(off * mel.hopLength)).near).toBe(false);
  });

  it('repeat where the frames repeat, and are unknown for a segment shorter than its first frame’s centre', () => {
    const { states } = clips[0]!;
    const frames = 1 + Math.floor((2500 - mel.nFft) / mel.hopLength);
    const rows = told(segmentTargets({ states, startSamples: 100, ratio: 1.1, lengthSamples: 2500 }, params));
    expect(frames).toBeLessThan(windowFrames / 2);
    rows.forEach((row, t) => expect(row).toBe(rows[t % frames]));
    expect(told(segmentTargets({ states, startSamples: 100, ratio: 1, lengthSamples: 40 }, params)).every((row) => row === 4)).toBe(true);
    expect(told(segmentTargets({ startSamples: 0, ratio: 1, lengthSamples: spanSamples }, params)).every((row) => row === 4)).toBe(true);
  });

  it('tell phases that are part of the states', () => {
    const source = { states: clips[0]!.states, startSamples: 321, ratio: 1.07, lengthSamples: spanSamples };
    const states = told(segmentTargets(source, params));
    const phases = segmentTargets(source, params, 'phases');
    const seen = new Set<number>();
    states.forEach((state, t) => {
      const row = [...phases.subarray(t * HEART_PHASES.length, (t + 1) * HEART_PHASES.length)];
      const phase = row.indexOf(1);
      if (phase >= 0) seen.add(phase);
      expect(row.reduce((a, b) => a + b, 0)).toBe(state < 4 ? 1 : 0);
      expect(phase < 0 ? 4 : STATE_OF_PHASE[phase]).toBe(state);
    });
    expect(seen.size).toBeGreaterThan(HEART_STATES.length);
  });

  it('are mixed as the inputs are, and unknown where the sound is synthesised or has no states', () => {
    const mixed = createSampler(clips, params, settings({ augmentation: { ...NO_AUGMENTATION, mixupAlpha: 1 } })).batch(2);
    const { frameTargets, lambda } = mixed;
    expect(frameTargets).toHaveLength(6 * windowFrames * S);
    let both = 0;
    for (let i = 0; i < 6; i++) {
      for (let t = 0; t < windowFrames; t++) {
        const row = [...frameTargets!.subarray((i * windowFrames + t) * S, (i * windowFrames + t + 1) * S)];
        // Each of the two adds its part, or nothing where its state is unknown.
        const major = lambda[i]!;
        for (const x of row) expect(Math.min(...[0, major, 1 - major, 1].map((part) => Math.abs(x - part)))).toBeLessThan(1e-6);
        if (row.filter((x) => x > 0).length === 2) both++;
      }
    }
    expect(both).toBeGreaterThan(20);
    const silent = createSampler(clips.map(({ states: _, ...clip }) => clip), params, settings()).batch(0);
    expect(silent.frameTargets!.every((x) => x === 0)).toBe(true);
    const artifacts = createSampler(clips, params, settings({ syntheticArtifactShare: 1 })).batch(0);
    expect(artifacts.setsA.every((set) => set === ARTIFACT)).toBe(true);
    expect(artifacts.frameTargets!.every((x) => x === 0)).toBe(true);
    expect(createSampler(clips, params, settings({ frameClasses: null })).batch(0).frameTargets).toBeUndefined();
  });

  it('leave the draws as they are without states: the same sounds in the same order', () => {
    const [a, b] = (['states', null] as const).map((frameClasses) => createSampler(clips, params, settings({ frameClasses })).batch(3));
    expect(a!.x).toEqual(b!.x);
  });

  it('a sampler can be made from clones of its arguments, as a worker gets them', () => {
    const all = [clips, params, settings()] as const;
    expect(createSampler(...structuredClone(all)).batch(1)).toEqual(createSampler(...all).batch(1));
  });
});

describe('states of a clip’s windows', () => {
  it.each([9, 1.5])('say what is heard in each window of a clip of %d s', (seconds) => {
    const { pcm, states } = audibleClip(seconds, 6);
    const windows = [...offlineWindows(pcm, params)];
    expect(windows.length).toBeGreaterThan(seconds > 3 ? 3 : 0);
    windows.forEach(({ input }, index) => {
      const expected = [...windowStates(states, index, pcm.length, params)].map((state) => (state < 0 ? 4 : state));
      const { agree, near } = compare(heard(input), expected);
      // The last state's end isn't known.
      if (index < windows.length - 1) expect(near).toBe(true);
      expect(agree).toBeGreaterThan(0.85);
    });
  });
});
