/**
 * PhysioNet/CinC Challenge 2016 as published: a folder `training-a` … `training-f` (or several of them side by side), each
 * with REFERENCE.csv (`a0001,1`; 1 = abnormal, −1 = normal) and the recordings. Patients were never published.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseCsv } from '../csv.js';
import { makeRecording, type Recording } from '../manifest-csv.js';
import { AudioIndex, stem, subfolders } from './audio-files.js';
import type { Adapter, DatasetProblem } from './types.js';

const LABELS: Readonly<Record<string, string>> = { '1': 'abnormal', '-1': 'normal' };

export const openPhysionet: Adapter = (folder) => {
  const parts = existsSync(join(folder, 'REFERENCE.csv')) ? [''] : subfolders(folder).filter((name) => existsSync(join(folder, name, 'REFERENCE.csv')));
  if (parts.length === 0) return undefined;
  const problems: DatasetProblem[] = [
    { code: 'NO_SUBJECTS', file: folder, message: 'patients were never published: each recording counts as its own subject, so the same patient may be on both sides of a split' },
  ];
  return { kind: 'physionet', recordings: parts.flatMap((part) => readPart(folder, part, problems)), problems };
};

function readPart(folder: string, part: string, problems: DatasetProblem[]): Recording[] {
  const prefix = part === '' ? '' : `${part}/`;
  const index = new AudioIndex(join(folder, part));
  const site = basename(join(folder, part));
  return parseCsv(readFileSync(join(folder, part, 'REFERENCE.csv'), 'utf8')).flatMap(([name = '', mark = ''], i) => {
    const label = LABELS[mark.trim()];
    if (name === '' || label === undefined) {
      if (name !== '') problems.push({ code: 'ROW_INVALID', file: `${prefix}REFERENCE.csv`, message: `line ${i + 1}: "${mark}" is neither 1 (abnormal) nor -1 (normal)` });
      return [];
    }
    const found = index.find(stem(name.trim()));
    if (found === undefined) problems.push({ code: 'FILE_MISSING', file: `${prefix}${name}`, message: `there is no audio file of that name in ${index.folder}` });
    return [makeRecording({ file: `${prefix}${found ?? `${name.trim()}.wav`}`, dataset: 'physionet2016', label, sublabel: '', subject: '', site }, folder)];
  });
}
