import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MURMUR_TIMINGS, murmurLevel } from '../../src/capture/synth/murmur.js';
import { Phonocardiogram, type PhonocardiogramOptions } from '../../src/capture/synth/phonocardiogram.js';
import { Prng } from '../../src/capture/synth/prng.js';
import { DEMO_PART_SECONDS, optionsOf, SYNTH_KINDS, SynthDemo, type Renderer } from '../../src/capture/synth/synth-source.js';
import { renderTones, S1_TONES, S2_TONES } from '../../src/capture/synth/waves.js';

const everything: PhonocardiogramOptions = {
  seed: 5,
  murmur: { timing: 'mid-systolic', pitchHz: 150, grade: 3 },
  extrasystolesPerMinute: 20,
  breathDb: -40,
  humDb: -50,
  handlingPerMinute: 40,
  artifact: true,
};
const quiet = { pinkDb: -Infinity, whiteDb: -Infinity };

function inPieces(renderer: Renderer, sizes: readonly number[], total: number): Float32Array {
  const out = new Float32Array(total);
  for (let at = 0, i = 0; at < total; i++) {
    const piece = renderer.render(Math.min(sizes[i % sizes.length]!, total - at));
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

function rms(samples: Float32Array): number {
  return Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
}

/** Power at `hz` (Goertzel), relative to the number of samples. */
function powerAt(samples: Float32Array, sampleRateHz: number, hz: number): number {
  const c = 2 * Math.cos((2 * Math.PI * hz) / sampleRateHz);
  let s1 = 0;
  let s2 = 0;
  for (const x of samples) [s1, s2] = [x + c * s1 - s2, s1];
  return (s1 * s1 + s2 * s2 - c * s1 * s2) / samples.length;
}

describe('Phonocardiogram', () => {
  const total = 9000;

  it('renders the same in pieces as at once, for every way of cutting', () => {
    const whole = new Phonocardiogram(everything).render(total);
    expect(rms(whole)).toBeGreaterThan(0.01);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 8 }), (sizes) => {
        const synth = new Phonocardiogram(everything);
        expect(Buffer.compare(Buffer.from(inPieces(synth, sizes, total).buffer), Buffer.from(whole.buffer))).toBe(0);
      }),
      { numRuns: 25, examples: [[[1]], [[0, 7]]] },
    );
  });

  it('knows the same beats however it was cut', () => {
    const synth = new Phonocardiogram(everything);
    synth.render(20_000);
    const pieces = new Phonocardiogram(everything);
    inPieces(pieces, [13], 20_000);
    expect(pieces.beats).toEqual(synth.beats);
    expect(synth.beats.length).toBeGreaterThan(4);
  });

  it('depends on the seed and on nothing else', () => {
    const render = (seed: number) => new Phonocardiogram({ ...everything, seed }).render(2000);
    expect(render(3)).toEqual(render(3));
    expect(render(3)).not.toEqual(render(4));
  });

  it('has the same beats at every sampling rate', () => {
    const beats = [1000, 4000, 44_100].map((sampleRateHz) => {
      const synth = new Phonocardiogram({ sampleRateHz, extrasystolesPerMinute: 10 });
      synth.render(10 * sampleRateHz);
      return synth.beats;
    });
    expect(beats[1]).toEqual(beats[0]);
    expect(beats[2]).toEqual(beats[0]);
  });

  it('stays finite and within ±1 for any options', () => {
    const options = fc.record({
      sampleRateHz: fc.integer({ min: 200, max: 48_000 }),
      seed: fc.integer(),
      bpm: fc.double({ min: 40, max: 180, noNaN: true }),
      grade: fc.double({ min: 1, max: 6, noNaN: true }),
      pitchHz: fc.double({ min: 50, max: 600, noNaN: true }),
      timing: fc.constantFrom(...MURMUR_TIMINGS),
      artifact: fc.boolean(),
    });
    fc.assert(
      fc.property(options, ({ grade, pitchHz, timing, ...rest }) => {
        const samples = new Phonocardiogram({ ...rest, murmur: { timing, pitchHz, grade }, handlingPerMinute: 100, breathDb: -30, humDb: -40 }).render(2000);
        expect(samples.every((x) => Math.abs(x) <= 1)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it.each([40, 72, 120, 180])('beats at %i bpm, with systole shorter than diastole up to 120', (bpm) => {
    const synth = new Phonocardiogram({ bpm, seed: 2 });
    synth.render(4000 * 60);
    const { beats } = synth;
    expect(Math.abs(beats.length - bpm)).toBeLessThanOrEqual(0.03 * bpm + 1);
    for (const { s1Ms, s2Ms, nextS1Ms } of beats) {
      expect(s2Ms).toBeGreaterThan(s1Ms);
      expect(nextS1Ms).toBeGreaterThan(s2Ms);
      if (bpm < 120) expect(s2Ms - s1Ms).toBeLessThan(nextS1Ms - s2Ms);
    }
  });

  it('swings with the breath', () => {
    const synth = new Phonocardiogram({ respiratoryBpm: 8, jitter: 0, breathsPerMinute: 12 });
    synth.render(4000 * 20);
    const rates = synth.beats.map((beat) => 60_000 / (beat.nextS1Ms - beat.s1Ms));
    expect(Math.min(...rates)).toBeLessThan(66);
    expect(Math.max(...rates)).toBeGreaterThan(78);
  });

  it('follows each extrasystole by a compensatory pause', () => {
    const synth = new Phonocardiogram({ extrasystolesPerMinute: 15, respiratoryBpm: 0, jitter: 0, bpm: 60 });
    synth.render(4000 * 60);
    const { beats } = synth;
    const early = beats.flatMap((beat, i) => (beat.kind === 'extrasystole' ? [i] : [])).filter((i) => i > 0 && i < beats.length - 1);
    expect(early.length).toBeGreaterThan(5);
    for (const i of early) {
      const before = beats[i]!.s1Ms - beats[i - 1]!.s1Ms;
      const after = beats[i + 1]!.s1Ms - beats[i]!.s1Ms;
      expect(before).toBeLessThan(710);
      expect(before + after).toBeCloseTo(2000, 6);
      expect(beats[i + 1]!.kind).toBe('normal');
    }
  });

  it('puts S1 and S2 where the beats say, and little between', () => {
    const synth = new Phonocardiogram({ ...quiet, bpm: 60 });
    const samples = synth.render(4000 * 10);
    const at = (ms: number, lengthMs: number) => rms(samples.subarray(Math.round(ms * 4), Math.round((ms + lengthMs) * 4)));
    for (const { s1Ms, s2Ms } of synth.beats.slice(0, -1)) {
      expect(at(s1Ms, 80)).toBeGreaterThan(0.1);
      expect(at(s2Ms, 60)).toBeGreaterThan(0.04);
      expect(at(s2Ms + 250, 150)).toBeLessThan(0.001);
    }
    expect(Math.max(...samples)).toBeLessThan(0.7);
  });

  it('makes S1 longer and lower than S2', () => {
    const spread = (tones: typeof S1_TONES) => {
      const wave = renderTones(tones, 4000);
      const energy = wave.reduce((sum, x) => sum + x * x, 0);
      let sum = 0;
      const end = wave.findIndex((x) => (sum += x * x) > 0.95 * energy);
      const centroid = Array.from({ length: 60 }, (_, i) => 10 + 5 * i).reduce(([n, d], hz) => [n! + hz * powerAt(wave, 4000, hz), d! + powerAt(wave, 4000, hz)], [0, 0]);
      return { ms: end / 4, hz: centroid[0]! / centroid[1]! };
    };
    const [s1, s2] = [spread(S1_TONES), spread(S2_TONES)];
    expect(s1.ms).toBeGreaterThan(1.3 * s2.ms);
    expect(s2.hz).toBeGreaterThan(1.2 * s1.hz);
    expect(s1.hz).toBeGreaterThan(40);
    expect(s1.hz).toBeLessThan(80);
  });
});

describe('murmurs', () => {
  const render = (murmur: PhonocardiogramOptions['murmur']) => {
    const with_ = new Phonocardiogram({ ...quiet, ...(murmur && { murmur }), bpm: 60 });
    const without = new Phonocardiogram({ ...quiet, bpm: 60 });
    const heart = without.render(40_000);
    const samples = with_.render(40_000);
    return { only: samples.map((x, i) => x - heart[i]!), beats: with_.beats.slice(0, -1) };
  };
  const rmsIn = (only: Float32Array, fromMs: number, toMs: number) => rms(only.subarray(Math.round(fromMs * 4), Math.round(toMs * 4)));

  it.each(MURMUR_TIMINGS)('%s sounds in its part of the cycle only', (timing) => {
    const { only, beats } = render({ timing, pitchHz: 150, grade: 4 });
    for (const { s1Ms, s2Ms, nextS1Ms } of beats) {
      const systole = rmsIn(only, s1Ms + 70, s2Ms - 20);
      const diastole = rmsIn(only, s2Ms + 50, nextS1Ms - 20);
      if (timing === 'diastolic') expect(diastole).toBeGreaterThan(20 * systole);
      else expect(systole).toBeGreaterThan(20 * diastole);
    }
  });

  it('is shaped as its timing says', () => {
    const third = (timing: (typeof MURMUR_TIMINGS)[number]) => {
      const { only, beats } = render({ timing, pitchHz: 300, grade: 5 });
      const part = (k: number) => Math.hypot(...beats.map(({ s1Ms, s2Ms }) => rmsIn(only, s1Ms + 60 + (k * (s2Ms - s1Ms - 60)) / 3, s1Ms + 60 + ((k + 1) * (s2Ms - s1Ms - 60)) / 3)));
      return [part(0), part(1), part(2)] as const;
    };
    const [s0, , s2] = third('systolic');
    expect(s0).toBeGreaterThan(2 * s2);
    const [m0, m1, m2] = third('mid-systolic');
    expect(m1).toBeGreaterThan(1.3 * m0);
    expect(m1).toBeGreaterThan(1.3 * m2);
    const [h0, h1, h2] = third('holosystolic');
    expect(Math.max(h0, h1, h2) / Math.min(h0, h1, h2)).toBeLessThan(1.4);
  });

  it('grows by 5 dB per grade', () => {
    const level = (grade: number) => rms(render({ timing: 'holosystolic', pitchHz: 150, grade }).only);
    expect(20 * Math.log10(level(4) / level(2))).toBeCloseTo(10, 1);
    expect(20 * Math.log10(murmurLevel(3))).toBeCloseTo(-20, 6);
  });

  it.each([100, 200, 400])('has most power around its pitch of %i Hz', (pitchHz) => {
    const { only } = render({ timing: 'holosystolic', pitchHz, grade: 4 });
    const band = (hz: number) => [0.9, 0.95, 1, 1.05, 1.1].reduce((sum, k) => sum + powerAt(only, 4000, k * hz), 0);
    expect(band(pitchHz)).toBeGreaterThan(2 * band(pitchHz / 3));
    expect(band(pitchHz)).toBeGreaterThan(2 * band(pitchHz * 3));
  });
});

describe('levels', () => {
  const only = (options: PhonocardiogramOptions) => new Phonocardiogram({ ...quiet, heart: false, ...options }).render(40_000);

  it('of pink and white noise are RMS in dB of full scale', () => {
    expect(20 * Math.log10(rms(only({ whiteDb: -30 })))).toBeCloseTo(-30, 0);
    expect(Math.abs(20 * Math.log10(rms(only({ pinkDb: -30 }))) + 30)).toBeLessThan(1.5);
  });

  it('of hum too, at the mains frequency', () => {
    const hum = only({ humDb: -30, humHz: 60 });
    expect(Math.abs(20 * Math.log10(rms(hum)) + 30)).toBeLessThan(0.6);
    expect(powerAt(hum, 4000, 60)).toBeGreaterThan(100 * powerAt(hum, 4000, 50));
  });

  it('pink noise falls by about 3 dB per octave', () => {
    const noise = only({ pinkDb: -30 });
    const band = (hz: number) => Array.from({ length: 200 }, (_, i) => powerAt(noise, 4000, hz * (0.9 + i / 1000))).reduce((a, b) => a + b);
    const slope = (10 * Math.log10(band(800) / band(25))) / 5;
    expect(slope).toBeLessThan(-2);
    expect(slope).toBeGreaterThan(-4.5);
  });
});

describe('SynthDemo', () => {
  it('goes through all kinds and round again, in pieces as at once', () => {
    const sampleRateHz = 400;
    const total = sampleRateHz * DEMO_PART_SECONDS * 5;
    const demo = new SynthDemo({ sampleRateHz });
    const whole = demo.render(total);
    expect(inPieces(new SynthDemo({ sampleRateHz }), [997, 3, 4000], total)).toEqual(whole);
    expect(SYNTH_KINDS.map((_, i) => demo.kindAt((i + 0.5) * DEMO_PART_SECONDS * sampleRateHz))).toEqual(SYNTH_KINDS);
    expect(demo.kindAt(total - 1)).toBe('normal');
  });

  it('has no heart in its artifact part', () => {
    expect(optionsOf('artifact')).toMatchObject({ heart: false, artifact: true });
    expect(new Phonocardiogram(optionsOf('artifact')).beats).toEqual([]);
  });
});

describe('Prng', () => {
  it('is uniform, normal and exponential where it says so', () => {
    const prng = new Prng(1, 'test');
    const mean = (draw: () => number) => Array.from({ length: 20_000 }, draw).reduce((a, b) => a + b) / 20_000;
    expect(mean(() => prng.next())).toBeCloseTo(0.5, 1);
    expect(mean(() => prng.normal())).toBeCloseTo(0, 1);
    expect(mean(() => prng.normal() ** 2)).toBeCloseTo(1, 1);
    expect(mean(() => prng.exponential(2))).toBeCloseTo(2, 0);
  });
});
