/** The short sounds that a phonocardiogram is made of, each as a ready waveform. */
import { bandNoise, type NoiseGenerator } from './noise.js';
import type { Prng } from './prng.js';

/** One damped vibration: rises to its peak at `peakMs` and rings down, like a struck valve. */
export interface Tone {
  hz: number;
  /** Delay after the onset of the sound, ms. */
  delayMs: number;
  /** Time from its start to its largest envelope, ms; it is over after about five times as long. */
  peakMs: number;
  gain: number;
}

/** First heart sound: mitral component, then the tricuspid one 26 ms later; low and long. */
export const S1_TONES: readonly Tone[] = [
  { hz: 36, delayMs: 0, peakMs: 26, gain: 0.7 },
  { hz: 55, delayMs: 2, peakMs: 22, gain: 1 },
  { hz: 80, delayMs: 4, peakMs: 17, gain: 0.7 },
  { hz: 118, delayMs: 5, peakMs: 12, gain: 0.35 },
  { hz: 170, delayMs: 6, peakMs: 9, gain: 0.14 },
  { hz: 66, delayMs: 26, peakMs: 16, gain: 0.5 },
  { hz: 98, delayMs: 28, peakMs: 12, gain: 0.3 },
  { hz: 145, delayMs: 29, peakMs: 9, gain: 0.12 },
];

/** Second heart sound, aortic component: higher and shorter than S1. The pulmonic one repeats it, softer and later. */
export const S2_TONES: readonly Tone[] = [
  { hz: 52, delayMs: 0, peakMs: 13, gain: 0.5 },
  { hz: 78, delayMs: 1, peakMs: 11, gain: 0.65 },
  { hz: 115, delayMs: 2, peakMs: 9, gain: 0.5 },
  { hz: 170, delayMs: 2, peakMs: 7, gain: 0.3 },
  { hz: 250, delayMs: 2, peakMs: 5, gain: 0.13 },
];

/** Sums damped tones into a waveform. Tones at or above 45 % of the sampling rate are left out. */
export function renderTones(tones: readonly Tone[], sampleRateHz: number): Float32Array {
  const lengthMs = Math.max(...tones.map((tone) => tone.delayMs + 7 * tone.peakMs));
  const wave = new Float32Array(Math.ceil((lengthMs / 1000) * sampleRateHz));
  for (const { hz, delayMs, peakMs, gain } of tones) {
    if (hz >= 0.45 * sampleRateHz) continue;
    for (let i = Math.ceil((delayMs / 1000) * sampleRateHz); i < wave.length; i++) {
      const t = i / sampleRateHz - delayMs / 1000;
      const x = (t * 1000) / peakMs;
      // Gamma envelope of order 2, largest (1) at x = 1.
      wave[i]! += gain * x * x * Math.exp(2 * (1 - x)) * Math.sin(2 * Math.PI * hz * t);
    }
  }
  return wave;
}

/** Cloth or a hand rubbing over the diaphragm: band noise, swelling at a few Hz. Peak about `gain`. */
export function rub(prng: Prng, sampleRateHz: number, gain: number): Float32Array {
  const seconds = prng.between(0.3, 1.3);
  const noise = bandNoise(prng, sampleRateHz, prng.between(120, 600), 0.6);
  const strokesHz = prng.between(2, 7);
  return shaped(seconds, sampleRateHz, noise, (t) => {
    const swell = Math.sin((Math.PI * t) / seconds) ** 0.7;
    return 0.35 * gain * swell * (0.55 + 0.45 * Math.sin(2 * Math.PI * strokesHz * t));
  });
}

/** A knock against the chest piece: a thud and a click. Peak about `gain`. */
export function tap(prng: Prng, sampleRateHz: number, gain: number): Float32Array {
  const low = prng.between(25, 90);
  const wave = renderTones(
    [
      { hz: low, delayMs: 0, peakMs: prng.between(4, 12), gain: 0.8 * gain },
      { hz: low * prng.between(2.2, 4), delayMs: 0, peakMs: prng.between(2, 6), gain: 0.5 * gain },
      { hz: prng.between(300, 700), delayMs: 0, peakMs: prng.between(1, 3), gain: 0.4 * gain },
    ],
    sampleRateHz,
  );
  return wave;
}

/** A few syllables: harmonics of a gliding voice under two formants. Not words, but speech's rhythm and spectrum. */
export function speech(prng: Prng, sampleRateHz: number, gain: number): Float32Array {
  const syllables = Math.floor(prng.between(2, 7));
  const pieces = Array.from({ length: syllables }, () => syllable(prng, sampleRateHz, gain));
  const pause = Math.round(0.05 * sampleRateHz);
  const wave = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length + pause, 0));
  let at = 0;
  for (const piece of pieces) {
    wave.set(piece, at);
    at += piece.length + pause;
  }
  return wave;
}

function syllable(prng: Prng, sampleRateHz: number, gain: number): Float32Array {
  const seconds = prng.between(0.1, 0.28);
  const voiceHz = prng.between(95, 220);
  const glide = prng.between(-0.25, 0.15);
  const formants = [prng.between(280, 750), prng.between(900, 1900)];
  const wave = new Float32Array(Math.ceil(seconds * sampleRateHz));
  for (let k = 1; k * voiceHz * 1.2 < Math.min(3000, 0.45 * sampleRateHz); k++) {
    const hz = k * voiceHz;
    const weight = formants.reduce((sum, f, i) => sum + Math.exp(-(((hz - f) / 130) ** 2)) / (i + 1), 0.08 / k);
    for (let i = 0; i < wave.length; i++) {
      const t = i / sampleRateHz;
      const envelope = Math.sin((Math.PI * t) / seconds) ** 0.5;
      wave[i]! += 0.4 * gain * weight * envelope * Math.sin(2 * Math.PI * hz * t * (1 + (glide * t) / (2 * seconds)));
    }
  }
  return wave;
}

function shaped(seconds: number, sampleRateHz: number, noise: NoiseGenerator, envelope: (t: number) => number): Float32Array {
  const wave = new Float32Array(Math.ceil(seconds * sampleRateHz));
  for (let i = 0; i < wave.length; i++) wave[i] = noise() * envelope(i / sampleRateHz);
  return wave;
}
