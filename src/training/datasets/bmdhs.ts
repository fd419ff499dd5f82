/**
 * BMD-HS (arXiv 2409.00724) as published: `train.csv` with patient_id, a 0/1 column for each of AS, AR, MR, MS, N and
 * recording_1 … recording_8; the recordings lie in `train/`, named <class>_<number>_<posture>_<valve>. Labels are per patient.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseCsv } from '../csv.js';
import { makeRecording } from '../manifest-csv.js';
import { AudioIndex, stem } from './audio-files.js';
import type { Adapter, DatasetProblem } from './types.js';

const DISEASES = ['AS', 'AR', 'MR', 'MS'] as const;

export const openBmdhs: Adapter = (folder) => {
  const csv = join(folder, 'train.csv');
  if (!existsSync(csv)) return undefined;
  const [header = [], ...rows] = parseCsv(readFileSync(csv, 'utf8'));
  const has = (name: string) => header.includes(name);
  if (!has('patient_id') || !DISEASES.every(has)) return undefined;
  const index = new AudioIndex(join(folder, 'train'));
  const problems: DatasetProblem[] = [];
  const recordings = rows.flatMap((row) => {
    const value = (name: string) => row[header.indexOf(name)]?.trim() ?? '';
    const found = DISEASES.filter((name) => Number(value(name)) === 1);
    const label = found.length > 0 ? found.join('+') : Number(value('N')) === 1 ? 'normal' : '';
    const files = header.filter((name) => /^recording_?\d+$/i.test(name)).map(value).filter(Boolean);
    return files.map((listed) => {
      const file = index.find(stem(listed));
      if (file === undefined) problems.push({ code: 'FILE_MISSING', file: `train/${listed}`, message: `train.csv lists it, ${index.folder} does not hold it` });
      const site = stem(listed).split('_').slice(2).join('_');
      return makeRecording({ file: `train/${file ?? listed}`, dataset: 'bmdhs', label, sublabel: '', subject: value('patient_id'), site }, folder);
    });
  });
  return { kind: 'bmdhs', recordings, problems };
};
