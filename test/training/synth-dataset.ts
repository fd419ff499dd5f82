/** Small folders of synthesised recordings in the shared form (WAV files beside manifest.csv), for tests of training. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Phonocardiogram } from '../../src/capture/synth/phonocardiogram.js';
import { optionsOf, type SynthKind } from '../../src/capture/synth/synth-source.js';
import { int16Bytes, wavBytes } from '../capture/wav-bytes.js';

/** One recording to make. */
export interface SynthClip {
  file: string;
  dataset: string;
  label: string;
  subject: string;
  site: string;
  kind: SynthKind;
  seconds: number;
  seed: number;
}

const heart = (kind: SynthKind, seed: number, sampleRateHz = 4000) => new Phonocardiogram(optionsOf(kind, { seed, sampleRateHz, bpm: 60 + (seed % 40) }));

/** Mono 16-bit WAV of a synthesised heart. */
export function synthWav(kind: SynthKind, seconds: number, seed: number, sampleRateHz = 4000): Uint8Array {
  const pcm = heart(kind, seed, sampleRateHz).render(Math.round(seconds * sampleRateHz));
  return wavBytes({ bits: 16, sampleRateHz, data: int16Bytes(Array.from(pcm, (x) => Math.round(32767 * x))) });
}

/** Unlabelled recordings of the target: of two subjects that have labelled ones as well, and of two that have none. */
export function unlabelledLike(): SynthClip[] {
  return ['s1', 'm1', 'u1', 'u2'].map((subject, i) => ({ file: `pascal-b/unlabelled-${i}.wav`, dataset: 'pascal-b', label: '', subject, site: 'A', kind: i % 2 ? 'murmur' : 'normal', seconds: 2, seed: 100 + i }));
}

/** Writes the files and their manifest.csv. */
export function writeDataset(folder: string, clips: readonly SynthClip[]): void {
  for (const { file, kind, seconds, seed } of clips) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), synthWav(kind, seconds, seed));
  }
  const rows = clips.map(({ file, dataset, label, subject, site }) => [file, dataset, label, '', subject, site].join(','));
  writeFileSync(join(folder, 'manifest.csv'), `${['file,dataset,label,sublabel,subject,site', ...rows].join('\n')}\n`);
}

/** states.jsonl of these clips, from the beats that the synthesised hearts had. */
export function writeStates(path: string, clips: readonly SynthClip[]): void {
  const lines = clips.map(({ file, kind, seconds, seed }) => {
    const sound = heart(kind, seed);
    sound.render(Math.round(seconds * 4000));
    const states = sound.beats.flatMap(({ s1Ms, s2Ms }) => [[s1Ms, 'S1'], [s1Ms + 110, 'systole'], [s2Ms, 'S2'], [s2Ms + 90, 'diastole']] as [number, string][]);
    return JSON.stringify({ file, states: states.map(([ms, state]) => [Math.max(0, ms / 1000), state]) });
  });
  writeFileSync(path, `${lines.join('\n')}\n`);
}

/** Every data set that the recipe `heart` uses, and one that it only judges, a few seconds each. */
export function heartLike(): SynthClip[] {
  let seed = 0;
  const make = (count: number, dataset: string, label: string, kind: SynthKind, subject: (i: number) => string, site: (i: number) => string): SynthClip[] =>
    Array.from({ length: count }, (_, i) => {
      seed++;
      return { file: `${dataset}/${label}-${i}.wav`, dataset, label, subject: subject(i), site: site(i), kind, seconds: 1.5 + ((seed * 7) % 10) / 3, seed };
    });
  const none = () => '';
  return [
    ...make(8, 'physionet2016', 'normal', 'normal', none, (i) => (i % 2 ? 'training-a' : 'training-b')),
    ...make(8, 'physionet2016', 'abnormal', 'murmur', none, (i) => (i % 2 ? 'training-a' : 'training-b')),
    ...make(4, 'pascal-a', 'artifact', 'artifact', (i) => `day${i}`, none),
    ...make(4, 'pascal-a', 'murmur', 'murmur', (i) => `day${i}`, none),
    ...make(2, 'pascal-a', 'extrahls', 'normal', (i) => `day${i}`, none),
    ...make(9, 'pascal-b', 'normal', 'normal', (i) => `s${i % 7}`, () => 'A'),
    ...make(6, 'pascal-b', 'murmur', 'murmur', (i) => `m${i % 5}`, () => 'P'),
    ...make(5, 'pascal-b', 'extrastole', 'extrasystole', (i) => `s${i}`, () => 'A'),
    ...make(3, 'yaseen', 'N', 'normal', (i) => `y${i}`, none),
    ...make(3, 'yaseen', 'AS', 'murmur', (i) => `z${i}`, none),
  ];
}
