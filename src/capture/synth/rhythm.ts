/** When the heart beats: rate, its variability, extrasystoles. Times are in seconds and independent of the sampling rate. */
import { Prng } from './prng.js';

export interface RhythmOptions {
  seed: number;
  /** Mean heart rate, 40–180 bpm. */
  bpm: number;
  /** Respiratory sinus arrhythmia: the rate swings by ± this many bpm with each breath. */
  respiratoryBpm: number;
  /** Standard deviation of the beat-to-beat interval as a fraction of it. */
  jitter: number;
  breathsPerMinute: number;
  extrasystolesPerMinute: number;
}

/** One heart beat. */
export interface Beat {
  /** `extrasystole` is a premature beat, followed by a compensatory pause. */
  kind: 'normal' | 'extrasystole';
  /** Onset of the first heart sound, ms from the start. */
  s1Ms: number;
  /** Onset of the second heart sound, ms from the start. */
  s2Ms: number;
  /** Onset of the next beat's first heart sound, ms from the start. */
  nextS1Ms: number;
}

/** An endless supply of beats in order. */
export class Rhythm {
  readonly #options: RhythmOptions;
  readonly #prng: Prng;
  readonly #breathPhase: number;
  #timeS: number;
  #kind: Beat['kind'] = 'normal';
  /** While a compensatory pause is pending: the onset of the beat that ends it. */
  #afterPauseS: number | undefined;

  constructor(options: RhythmOptions) {
    this.#options = options;
    this.#prng = new Prng(options.seed, 'rhythm');
    this.#breathPhase = breathPhase(options.seed);
    this.#timeS = 0.05 + this.#prng.between(0, 0.3);
  }

  next(): Beat {
    const s1 = this.#timeS;
    const kind = this.#kind;
    const interval = this.#interval(s1);
    const systole = systoleS(interval) * (kind === 'extrasystole' ? 0.85 : 1);
    this.#advance(s1, interval);
    return { kind, s1Ms: s1 * 1000, s2Ms: (s1 + systole) * 1000, nextS1Ms: this.#timeS * 1000 };
  }

  #advance(s1: number, interval: number): void {
    const { bpm, extrasystolesPerMinute } = this.#options;
    // Both draws are made for every beat, so that the rate of extrasystoles does not change the other intervals.
    const premature = this.#prng.next() < extrasystolesPerMinute / bpm;
    const coupling = this.#prng.between(0.55, 0.7);
    if (this.#afterPauseS !== undefined) {
      this.#timeS = this.#afterPauseS;
      this.#afterPauseS = undefined;
      this.#kind = 'normal';
    } else if (premature && this.#kind === 'normal') {
      // Full compensatory pause: the sinus node goes on undisturbed, its next impulse is the one that is lost.
      this.#timeS = s1 + coupling * interval;
      this.#afterPauseS = s1 + 2 * interval;
      this.#kind = 'extrasystole';
    } else {
      this.#timeS = s1 + interval;
      this.#kind = 'normal';
    }
  }

  #interval(atS: number): number {
    const { bpm, respiratoryBpm, jitter, breathsPerMinute } = this.#options;
    const swing = respiratoryBpm * Math.sin(2 * Math.PI * (breathsPerMinute / 60) * atS + this.#breathPhase);
    const noise = Math.max(-3, Math.min(3, this.#prng.normal()));
    return (60 / (bpm + swing)) * (1 + jitter * noise);
  }
}

/** Phase of the breath at time 0, shared by the rhythm, the split of S2 and the breath noise. */
export function breathPhase(seed: number): number {
  return new Prng(seed, 'breath-phase').between(0, 2 * Math.PI);
}

/**
 * From S1 to S2 in seconds. Weissler, Harris and Schoenfeld (1968): Q–S2 = 546 − 2.1·rate ms (men); S1 follows Q by
 * about 55 ms. Never less than 30 % of the cycle, where that regression runs out.
 */
function systoleS(intervalS: number): number {
  const rate = 60 / intervalS;
  return Math.max(0.3 * intervalS, 0.546 - 0.0021 * rate - 0.055);
}
