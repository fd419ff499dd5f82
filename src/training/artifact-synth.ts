/**
 * Sounds that are no heart: what a microphone in a room, a hand on a stethoscope or an idle input delivers.
 *
 * Synthesised (never recorded) at the model's rate and added to training as `artifact` in a small share, so that a
 * live microphone in a room isn't called a normal heart. The card of the model says so.
 */
import { pinkNoise, whiteNoise } from './augment.js';
import type { Random } from './random.js';

const kinds = [roomNoise, taps, hum, babble, rustle] as const;

/** One made-up artifact of `length` samples at `sampleRateHz`. */
export function synthesiseArtifact(length: number, sampleRateHz: number, random: Random): Float32Array {
  const kind = kinds[random.integer(kinds.length)] ?? roomNoise;
  const pcm = kind(length, sampleRateHz, random);
  if (random.chance(0.3)) mix(pcm, roomNoise(length, sampleRateHz, random), random.uniform(0.02, 0.5));
  return pcm;
}

/** Steady white, pink or brown noise, sometimes slowly swelling. */
function roomNoise(length: number, rate: number, random: Random): Float32Array {
  const colour = random.integer(3);
  const pcm = colour === 0 ? whiteNoise(length, random) : pinkNoise(length, random);
  if (colour === 2) lowPass(pcm, rate, random.uniform(30, 300));
  if (random.chance(0.5)) {
    const [depth, phase, frequency] = [random.uniform(0, 0.8), random.next() * 6.3, random.uniform(0.1, 1)];
    for (let i = 0; i < length; i++) pcm[i] = (pcm[i] ?? 0) * (1 + depth * Math.sin((2 * Math.PI * frequency * i) / rate + phase));
  }
  return pcm;
}

/** Knocks at irregular intervals: decaying low resonances over faint noise. */
function taps(length: number, rate: number, random: Random): Float32Array {
  const pcm = scaled(pinkNoise(length, random), random.uniform(0.001, 0.05));
  let at = random.integer(rate);
  while (at < length) {
    const [frequency, decay, level] = [random.uniform(30, 600), random.uniform(0.005, 0.08), random.uniform(0.1, 1)];
    for (let i = 0; i < rate * decay * 6 && at + i < length; i++) {
      const t = i / rate;
      pcm[at + i] = (pcm[at + i] ?? 0) + level * Math.exp(-t / decay) * Math.sin(2 * Math.PI * frequency * t);
    }
    at += Math.round(rate * (random.chance(0.4) ? random.uniform(0.03, 0.25) : random.uniform(0.2, 3)));
  }
  return pcm;
}

/** Mains hum with harmonics over faint noise, or nearly nothing. */
function hum(length: number, rate: number, random: Random): Float32Array {
  const pcm = scaled(random.chance(0.5) ? whiteNoise(length, random) : pinkNoise(length, random), random.uniform(0.01, 1));
  const base = random.chance(0.5) ? 50 : 60;
  for (let harmonic = 1; harmonic * base < rate * 0.45; harmonic++) {
    const [level, phase] = [random.next() / harmonic, random.next() * 6.3];
    for (let i = 0; i < length; i++) pcm[i] = (pcm[i] ?? 0) + level * Math.sin((2 * Math.PI * base * harmonic * i) / rate + phase);
  }
  return pcm;
}

/** Like speech through the band: harmonics of a gliding pitch in syllables, with hisses between. */
function babble(length: number, rate: number, random: Random): Float32Array {
  const pcm = scaled(pinkNoise(length, random), random.uniform(0.002, 0.05));
  let at = random.integer(Math.round(rate * 0.3));
  while (at < length) {
    const samples = Math.round(rate * random.uniform(0.08, 0.35));
    if (random.chance(0.75)) voicedSyllable(pcm, at, samples, rate, random);
    else hiss(pcm, at, samples, random);
    at += samples + Math.round(rate * (random.chance(0.2) ? random.uniform(0.2, 0.8) : random.uniform(0, 0.1)));
  }
  return pcm;
}

function voicedSyllable(pcm: Float32Array, at: number, samples: number, rate: number, random: Random): void {
  const pitch = random.uniform(90, 260);
  const glide = random.uniform(-0.2, 0.2);
  const level = random.uniform(0.2, 1);
  const formant = random.uniform(250, 850);
  const harmonics = Array.from({ length: Math.floor((rate * 0.45) / pitch) }, (_, i) => {
    const away = ((i + 1) * pitch - formant) / 200;
    return { phase: random.next() * 6.3, level: level * (0.15 + Math.exp(-away * away)) };
  });
  let turn = 0;
  for (let i = 0; i < samples && at + i < pcm.length; i++) {
    turn += (2 * Math.PI * pitch * (1 + (glide * i) / samples)) / rate;
    let sum = 0;
    harmonics.forEach((h, k) => (sum += h.level * Math.sin((k + 1) * turn + h.phase)));
    pcm[at + i] = (pcm[at + i] ?? 0) + sum * Math.sin((Math.PI * i) / samples);
  }
}

function hiss(pcm: Float32Array, at: number, samples: number, random: Random): void {
  const level = random.uniform(0.05, 0.4);
  for (let i = 0; i < samples && at + i < pcm.length; i++) pcm[at + i] = (pcm[at + i] ?? 0) + level * random.normal() * Math.sin((Math.PI * i) / samples);
}

/** Cloth or skin against the membrane: bursts of low-passed noise of random length and loudness. */
function rustle(length: number, rate: number, random: Random): Float32Array {
  const pcm = whiteNoise(length, random);
  lowPass(pcm, rate, random.uniform(60, 600));
  let at = 0;
  while (at < length) {
    const samples = Math.round(rate * random.uniform(0.03, 0.9));
    const level = random.chance(0.3) ? 0.01 : Math.pow(random.next(), 2);
    for (let i = 0; i < samples && at + i < length; i++) pcm[at + i] = (pcm[at + i] ?? 0) * level;
    at += samples;
  }
  return pcm;
}

function lowPass(pcm: Float32Array, rate: number, cornerHz: number): void {
  const keep = Math.exp((-2 * Math.PI * cornerHz) / rate);
  let state = 0;
  for (let i = 0; i < pcm.length; i++) pcm[i] = state = keep * state + (1 - keep) * (pcm[i] ?? 0);
}

function scaled(pcm: Float32Array, gain: number): Float32Array {
  for (let i = 0; i < pcm.length; i++) pcm[i] = (pcm[i] ?? 0) * gain;
  return pcm;
}

function mix(into: Float32Array, other: Float32Array, gain: number): void {
  for (let i = 0; i < into.length; i++) into[i] = (into[i] ?? 0) + gain * (other[i] ?? 0);
}
