/**
 * CirCor DigiScope (PhysioNet Challenge 2022) as published: `<patient>.txt` beside `<patient>_<place>.wav` (and .tsv, .hea),
 * in the folder or in its `training_data/`. A text file holds one line per recording and `#Murmur:`, `#Murmur locations:`,
 * `#Outcome:`, `#Additional ID:`.
 *
 * Labels are per place: murmur where the patient has one and it is heard there, normal where the patient has none; a place
 * where a patient's murmur is not heard, and patients marked Unknown, stay unlabelled. The outcome is kept as sublabel.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeRecording, type Recording } from '../manifest-csv.js';
import { AudioIndex, entries, stem } from './audio-files.js';
import type { Adapter, DatasetProblem } from './types.js';

export const openCircor: Adapter = (folder) => {
  for (const part of ['', 'training_data']) {
    const texts = entries(join(folder, part)).filter((entry) => entry.isFile() && entry.name.endsWith('.txt')).map((entry) => entry.name);
    const patients = texts.map((name) => ({ name, text: readFileSync(join(folder, part, name), 'utf8') })).filter(({ text }) => text.includes('#Murmur:'));
    if (patients.length === 0) continue;
    const problems: DatasetProblem[] = [];
    const index = new AudioIndex(join(folder, part));
    const recordings = patients.flatMap(({ name, text }) => readPatient(folder, part, name, text, index, problems));
    return { kind: 'circor', recordings, problems };
  }
  return undefined;
};

function readPatient(folder: string, part: string, name: string, text: string, index: AudioIndex, problems: DatasetProblem[]): Recording[] {
  const prefix = part === '' ? '' : `${part}/`;
  const id = name.replace(/\.txt$/, '');
  const tag = (key: string) => text.match(new RegExp(`^#${key}:\\s*(.*?)\\s*$`, 'm'))?.[1] ?? '';
  const murmur = tag('Murmur');
  const heardAt = tag('Murmur locations').split('+');
  // The same child came twice under two ids; both are one subject.
  const other = tag('Additional ID');
  const subject = /^\d+$/.test(other) && other < id ? other : id;
  return text.split(/\r?\n/).slice(1).flatMap((line) => {
    const [place = '', ...files] = line.trim().split(/\s+/);
    const listed = files.find((file) => file.endsWith('.wav'));
    if (line.startsWith('#') || listed === undefined) return [];
    const found = index.find(stem(listed));
    if (found === undefined) problems.push({ code: 'FILE_MISSING', file: `${prefix}${listed}`, message: `${name} lists it, ${index.folder} does not hold it` });
    const fields = { file: `${prefix}${found ?? listed}`, dataset: 'circor', label: labelAt(place, murmur, heardAt), sublabel: tag('Outcome').toLowerCase(), subject, site: place };
    return [makeRecording(fields, folder)];
  });
}

function labelAt(place: string, murmur: string, heardAt: readonly string[]): string {
  if (murmur === 'Absent') return 'normal';
  return murmur === 'Present' && heardAt.includes(place) ? 'murmur' : '';
}
