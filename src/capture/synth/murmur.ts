/** Murmurs: noise of turbulent flow, shaped in time by where in the heart cycle it occurs. */
import { bandNoise, type NoiseGenerator } from './noise.js';
import { Prng } from './prng.js';
import type { Beat } from './rhythm.js';

export const MURMUR_TIMINGS = ['systolic', 'holosystolic', 'mid-systolic', 'diastolic'] as const;
/**
 * `systolic`: loud after S1 and fading; `holosystolic`: even from S1 to S2; `mid-systolic`: rising and falling;
 * `diastolic`: fading from S2 on.
 */
export type MurmurTiming = (typeof MURMUR_TIMINGS)[number];

export interface MurmurOptions {
  timing: MurmurTiming;
  /** Centre of its spectrum, 50–600 Hz. */
  pitchHz: number;
  /** Loudness 1 (barely audible) … 6, after Levine. */
  grade: number;
}

interface Segment {
  startS: number;
  endS: number;
}

/** RMS at the loudest moment relative to the peak of S1; our own scale, 5 dB per grade with grade 3 at −20 dB. */
export function murmurLevel(grade: number): number {
  return 10 ** ((-20 + 5 * (grade - 3)) / 20);
}

/** Adds a murmur to each beat. The noise runs on between murmurs, so that rendering in pieces changes nothing. */
export class Murmur {
  readonly #options: MurmurOptions;
  readonly #sampleRateHz: number;
  readonly #gain: number;
  readonly #noise: NoiseGenerator;
  #segments: Segment[] = [];

  constructor(options: MurmurOptions, seed: number, sampleRateHz: number, s1Peak: number) {
    this.#options = options;
    this.#sampleRateHz = sampleRateHz;
    this.#gain = s1Peak * murmurLevel(options.grade);
    this.#noise = bandNoise(new Prng(seed, 'murmur'), sampleRateHz, options.pitchHz, 0.9);
  }

  schedule(beat: Beat): void {
    const { timing } = this.#options;
    const [s1, s2, next] = [beat.s1Ms / 1000, beat.s2Ms / 1000, beat.nextS1Ms / 1000];
    if (timing === 'diastolic') this.#segments.push({ startS: s2 + 0.02, endS: Math.min(next, s2 + 0.55 * (next - s2) + 0.05) });
    else if (timing === 'mid-systolic') this.#segments.push({ startS: s1 + 0.06, endS: s2 });
    else this.#segments.push({ startS: s1 + 0.03, endS: timing === 'holosystolic' ? s2 + 0.03 : s1 + 0.8 * (s2 - s1) });
  }

  /** Adds samples `first` … `first + out.length − 1` to `out`. */
  add(out: Float64Array, first: number): void {
    for (let i = 0; i < out.length; i++) {
      const t = (first + i) / this.#sampleRateHz;
      const noise = this.#noise();
      for (const segment of this.#segments) if (t >= segment.startS && t < segment.endS) out[i]! += this.#gain * this.#shape(segment, t) * noise;
    }
    const endS = (first + out.length) / this.#sampleRateHz;
    this.#segments = this.#segments.filter((segment) => segment.endS > endS);
  }

  #shape({ startS, endS }: Segment, t: number): number {
    const x = (t - startS) / (endS - startS);
    // 15 ms ramps keep every shape free of clicks.
    const ramp = Math.min(1, (t - startS) / 0.015, (endS - t) / 0.015);
    switch (this.#options.timing) {
      case 'holosystolic':
        return ramp;
      case 'mid-systolic':
        return Math.sin(Math.PI * x) ** 1.5;
      case 'systolic':
        return ramp * (1 - 0.75 * x);
      case 'diastolic':
        return ramp * (1 - x) ** 0.8;
    }
  }
}
