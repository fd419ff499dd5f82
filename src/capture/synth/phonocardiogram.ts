/**
 * Synthesises phonocardiograms, reproducibly by seed, at any sampling rate, in pieces of any size: `render(a)` followed
 * by `render(b)` gives the samples of `render(a + b)`. Meant for demonstration and tests; not a model of disease.
 *
 * Every component draws from its own random stream in sample or event order, which is what makes the pieces fit.
 */
import { Murmur, type MurmurOptions } from './murmur.js';
import { bandNoise, pinkNoise, whiteNoise, type NoiseGenerator } from './noise.js';
import { Prng } from './prng.js';
import { Rhythm, breathPhase, type Beat } from './rhythm.js';
import { renderTones, rub, S1_TONES, S2_TONES, speech, tap, type Tone } from './waves.js';

export type { Beat } from './rhythm.js';

/** Levels in dB are RMS relative to full scale (±1); −Infinity switches a component off. */
export interface PhonocardiogramOptions {
  /** 200–192 000 Hz; default 4000. */
  sampleRateHz?: number;
  /** Default 1. */
  seed?: number;
  /** False leaves the heart out. Default true. */
  heart?: boolean;
  /** Heart rate, 40–180 bpm; default 72. */
  bpm?: number;
  /** Respiratory sinus arrhythmia in ± bpm; default 3. */
  respiratoryBpm?: number;
  /** Beat-to-beat jitter as a fraction of the interval; default 0.015. */
  jitter?: number;
  /** Default 15. */
  breathsPerMinute?: number;
  murmur?: MurmurOptions;
  /** Default 0. */
  extrasystolesPerMinute?: number;
  /** Peak of S1, full scale = 1; default 0.5. */
  peak?: number;
  /** Pink background noise; default −42 dB. */
  pinkDb?: number;
  /** White noise; default −65 dB. */
  whiteDb?: number;
  /** Breath noise at its loudest; default off. */
  breathDb?: number;
  /** Mains hum, default off, and its frequency, default 50 Hz. */
  humDb?: number;
  humHz?: number;
  /** Bumps against the chest piece per minute; default 0. */
  handlingPerMinute?: number;
  /** Rubbing, speech-like bursts and knocks, back to back; default false. */
  artifact?: boolean;
}

const DEFAULTS = {
  sampleRateHz: 4000,
  seed: 1,
  heart: true,
  bpm: 72,
  respiratoryBpm: 3,
  jitter: 0.015,
  breathsPerMinute: 15,
  extrasystolesPerMinute: 0,
  peak: 0.5,
  pinkDb: -42,
  whiteDb: -65,
  breathDb: -Infinity,
  humDb: -Infinity,
  humHz: 50,
  handlingPerMinute: 0,
  artifact: false,
} satisfies PhonocardiogramOptions;

type Settings = typeof DEFAULTS & Pick<PhonocardiogramOptions, 'murmur'>;

/** How many beats `beats` remembers; older ones are forgotten so that an endless stream does not grow. */
export const REMEMBERED_BEATS = 10_000;

/** Something that adds its sound to a block. `first` is the index of the block's first sample. */
interface Component {
  add(out: Float64Array, first: number): void;
}

export class Phonocardiogram {
  readonly sampleRateHz: number;
  readonly #components: Component[];
  readonly #heart: Heart | undefined;
  #position = 0;

  constructor(options: PhonocardiogramOptions = {}) {
    const settings = { ...DEFAULTS, ...withoutUndefined(options) } as Settings;
    this.sampleRateHz = settings.sampleRateHz;
    this.#heart = settings.heart ? new Heart(settings) : undefined;
    this.#components = [...(this.#heart === undefined ? [] : [this.#heart]), ...noises(settings), ...bumps(settings)];
  }

  /** Index of the next sample to be rendered. */
  get position(): number {
    return this.#position;
  }

  /** Beats whose first heart sound lies in what has been rendered (the last 10 000 of them), in order. */
  get beats(): Beat[] {
    const endMs = (this.#position / this.sampleRateHz) * 1000;
    return this.#heart?.beats.filter((beat) => beat.s1Ms < endMs) ?? [];
  }

  /** The next `n` samples, mono, clipped to ±1 as a converter would. The array belongs to the caller. */
  render(n: number): Float32Array {
    const block = new Float64Array(n);
    for (const component of this.#components) component.add(block, this.#position);
    this.#position += n;
    return Float32Array.from(block, (x) => Math.max(-1, Math.min(1, x)));
  }
}

/** Waveforms that start at given samples; kept until they have been played out. */
class Scheduled {
  #waves: Array<{ start: number; wave: Float32Array }> = [];

  schedule(start: number, wave: Float32Array): void {
    this.#waves.push({ start, wave });
  }

  add(out: Float64Array, first: number): void {
    const end = first + out.length;
    for (const { start, wave } of this.#waves) {
      const stop = Math.min(end, start + wave.length);
      for (let i = Math.max(first, start); i < stop; i++) out[i - first]! += wave[i - start]!;
    }
    this.#waves = this.#waves.filter(({ start, wave }) => start + wave.length > end);
  }
}

/** S1, S2 and the murmur of each beat. */
class Heart implements Component {
  readonly beats: Beat[] = [];
  readonly #settings: Settings;
  readonly #rhythm: Rhythm;
  readonly #prng: Prng;
  readonly #murmur: Murmur | undefined;
  readonly #sounds = new Scheduled();
  readonly #breathPhase: number;
  /** Pitch of this chest's sounds relative to the table. */
  readonly #pitch: number;
  readonly #scale: number;
  #next: Beat;

  constructor(settings: Settings) {
    const { seed, sampleRateHz, peak, murmur } = settings;
    this.#settings = settings;
    this.#rhythm = new Rhythm(settings);
    this.#prng = new Prng(seed, 'heart-sounds');
    this.#murmur = murmur && new Murmur(murmur, seed, sampleRateHz, peak);
    this.#breathPhase = breathPhase(seed);
    this.#pitch = this.#prng.between(0.9, 1.15);
    this.#scale = peak / largest(renderTones(this.#tones(S1_TONES, 1, 1), sampleRateHz));
    this.#next = this.#rhythm.next();
  }

  add(out: Float64Array, first: number): void {
    const { sampleRateHz } = this.#settings;
    const endMs = ((first + out.length) / sampleRateHz) * 1000;
    while (this.#next.s1Ms < endMs) {
      this.#schedule(this.#next);
      this.#next = this.#rhythm.next();
    }
    this.#sounds.add(out, first);
    this.#murmur?.add(out, first);
  }

  #schedule(beat: Beat): void {
    const { sampleRateHz, breathsPerMinute } = this.#settings;
    // A premature beat has a loud first sound and, the ventricle hardly filled, a faint second one.
    const early = beat.kind === 'extrasystole';
    const breath = Math.sin(2 * Math.PI * (breathsPerMinute / 60) * (beat.s1Ms / 1000) + this.#breathPhase);
    const vary = () => 1 + 0.06 * Math.max(-2.5, Math.min(2.5, this.#prng.normal()));
    const s1Gain = this.#scale * (1 - 0.08 * breath) * vary() * (early ? 1.25 : 1);
    const s2Gain = this.#scale * (1 - 0.08 * breath) * vary() * (early ? 0.45 : 1);
    // The split of S2 widens as one breathes in.
    const pulmonic = S2_TONES.map((tone) => ({ ...tone, delayMs: tone.delayMs + 22 + 10 * breath, gain: 0.45 * tone.gain }));
    const s1 = renderTones(this.#tones(S1_TONES, s1Gain, vary()), sampleRateHz);
    const s2 = renderTones(this.#tones([...S2_TONES, ...pulmonic], s2Gain, vary()), sampleRateHz);
    this.#sounds.schedule(Math.round((beat.s1Ms / 1000) * sampleRateHz), s1);
    this.#sounds.schedule(Math.round((beat.s2Ms / 1000) * sampleRateHz), s2);
    this.#murmur?.schedule(beat);
    this.beats.push(beat);
    if (this.beats.length > REMEMBERED_BEATS) this.beats.shift();
  }

  #tones(tones: readonly Tone[], gain: number, pitch: number): Tone[] {
    return tones.map((tone) => ({ ...tone, hz: tone.hz * this.#pitch * (1 + (pitch - 1) / 2), gain: tone.gain * gain }));
  }
}

/** The continuous noises that are switched on. */
function noises(settings: Settings): Component[] {
  const { seed, sampleRateHz, pinkDb, whiteDb, breathDb, humDb, humHz, breathsPerMinute } = settings;
  const components: Component[] = [];
  const steady = (db: number, make: () => NoiseGenerator) => {
    if (db > -Infinity) components.push(modulated(make(), () => 10 ** (db / 20)));
  };
  steady(pinkDb, () => pinkNoise(new Prng(seed, 'pink'), sampleRateHz));
  steady(whiteDb, () => whiteNoise(new Prng(seed, 'white')));
  if (breathDb > -Infinity) {
    const gain = 10 ** (breathDb / 20);
    const step = (2 * Math.PI * (breathsPerMinute / 60)) / sampleRateHz;
    const phase = breathPhase(seed);
    components.push(
      modulated(bandNoise(new Prng(seed, 'breath'), sampleRateHz, 220, 0.7), (sample) => {
        const wave = Math.sin(step * sample + phase);
        // Breathing in is louder than breathing out.
        return gain * (wave > 0 ? wave ** 2 : 0.4 * wave ** 2);
      }),
    );
  }
  if (humDb > -Infinity) components.push(hum(10 ** (humDb / 20), humHz, sampleRateHz));
  return components;
}

function modulated(noise: NoiseGenerator, gainAt: (sample: number) => number): Component {
  return {
    add: (out, first) => {
      for (let i = 0; i < out.length; i++) out[i]! += gainAt(first + i) * noise();
    },
  };
}

/** Mains hum: the fundamental with its third and fifth harmonic. */
function hum(rms: number, hz: number, sampleRateHz: number): Component {
  const step = (2 * Math.PI * hz) / sampleRateHz;
  const partials = [[1, 1], [3, 0.3], [5, 0.12]].filter(([k]) => k! * hz < sampleRateHz / 2) as Array<[number, number]>;
  return {
    add: (out, first) => {
      for (let i = 0; i < out.length; i++) {
        for (const [k, gain] of partials) out[i]! += Math.SQRT2 * rms * gain * Math.sin(k * step * (first + i));
      }
    },
  };
}

/** The sounds that come now and then: handling bumps, and artifacts back to back. */
function bumps(settings: Settings): Component[] {
  const { seed, sampleRateHz, handlingPerMinute, artifact } = settings;
  const components: Component[] = [];
  if (handlingPerMinute > 0) {
    const make = (prng: Prng) => (prng.next() < 0.6 ? tap : rub)(prng, sampleRateHz, prng.between(0.2, 0.8));
    components.push(new Occasional(new Prng(seed, 'handling'), sampleRateHz, (prng) => prng.exponential(60 / handlingPerMinute), make));
  }
  if (artifact) {
    const make = (prng: Prng) => prng.pick([rub, rub, speech, tap, tap])(prng, sampleRateHz, prng.between(0.25, 0.95));
    components.push(new Occasional(new Prng(seed, 'artifact'), sampleRateHz, (prng) => prng.between(0.05, 0.7), make));
  }
  return components;
}

/** One sound after another, with pauses between. */
class Occasional implements Component {
  readonly #prng: Prng;
  readonly #sampleRateHz: number;
  readonly #pauseS: (prng: Prng) => number;
  readonly #make: (prng: Prng) => Float32Array;
  readonly #sounds = new Scheduled();
  #nextSample: number;

  constructor(prng: Prng, sampleRateHz: number, pauseS: (prng: Prng) => number, make: (prng: Prng) => Float32Array) {
    this.#prng = prng;
    this.#sampleRateHz = sampleRateHz;
    this.#pauseS = pauseS;
    this.#make = make;
    this.#nextSample = Math.round(pauseS(prng) * sampleRateHz);
  }

  add(out: Float64Array, first: number): void {
    while (this.#nextSample < first + out.length) {
      const wave = this.#make(this.#prng);
      this.#sounds.schedule(this.#nextSample, wave);
      this.#nextSample += wave.length + Math.max(1, Math.round(this.#pauseS(this.#prng) * this.#sampleRateHz));
    }
    this.#sounds.add(out, first);
  }
}

function largest(wave: Float32Array): number {
  return wave.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
}

function withoutUndefined(options: PhonocardiogramOptions): PhonocardiogramOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
