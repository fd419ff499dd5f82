/**
 * PASCAL Classifying Heart Sounds Challenge 2011 as published: `set_a.csv` and `set_b.csv` (dataset,fname,label,sublabel)
 * beside the folders `set_a/` and `set_b/`. The names in set_b.csv are not those on disk:
 *
 * | set_b.csv | on disk |
 * |---|---|
 * | Btraining_normal_Btraining_noisynormal_X | normal_noisynormal_X |
 * | Btraining_<class>_X | <class>__X |
 * | Bunlabelledtest_X | Bunlabelledtest__X |
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseCsv } from '../csv.js';
import { makeRecording, named, type Recording } from '../manifest-csv.js';
import { AudioIndex, stem } from './audio-files.js';
import type { Adapter, DatasetProblem } from './types.js';

export const openPascal: Adapter = (folder) => {
  const sets = (['a', 'b'] as const).filter((set) => existsSync(join(folder, `set_${set}.csv`)));
  if (sets.length === 0) return undefined;
  const problems: DatasetProblem[] = [];
  return { kind: 'pascal', recordings: sets.flatMap((set) => readSet(folder, set, problems)), problems };
};

function readSet(folder: string, set: 'a' | 'b', problems: DatasetProblem[]): Recording[] {
  const csv = join(folder, `set_${set}.csv`);
  const [header = [], ...rows] = parseCsv(readFileSync(csv, 'utf8'));
  const column = (row: readonly string[], name: string) => row[header.indexOf(name)]?.trim() ?? '';
  const index = new AudioIndex(join(folder, `set_${set}`));
  return rows.flatMap((row, i) => {
    const fname = column(row, 'fname');
    if (fname === '') {
      if (row.join('') !== '') problems.push({ code: 'ROW_INVALID', file: `set_${set}.csv`, message: `line ${i + 2} names no file` });
      return [];
    }
    const file = `set_${set}/${onDisk(fname, index, problems)}`;
    const { subject, site } = origin(file, set);
    const fields = { file, dataset: `pascal-${set}`, label: column(row, 'label'), sublabel: column(row, 'sublabel'), subject, site };
    return [named(`${csv}, line ${i + 2}`, () => makeRecording(fields, folder))];
  });
}

/** Name of the file that a row means; the row's own where there is none. */
function onDisk(fname: string, index: AudioIndex, problems: DatasetProblem[]): string {
  const name = fname.slice(fname.lastIndexOf('/') + 1);
  const exact = index.find(stem(name));
  if (exact !== undefined) return exact;
  const renamed = index.find(diskStem(stem(name)));
  if (renamed === undefined) problems.push({ code: 'FILE_MISSING', file: fname, message: `neither ${stem(name)} nor ${diskStem(stem(name))} is in ${index.folder}` });
  else problems.push({ code: 'NAME_MISMATCH', file: fname, message: `is ${renamed} on disk` });
  return renamed ?? name;
}

/** The published name → the name on disk. */
export function diskStem(listed: string): string {
  return listed
    .replace(/^Btraining_(\w+?)_Btraining_(\w+?)_/, '$1_$2_')
    .replace(/^Btraining_([a-z]+)_/, '$1__')
    .replace(/^Bunlabelledtest_(?!_)/, 'Bunlabelledtest__');
}

/** Set B: a 3-digit subject, an instant, a place on the chest. Set A: only a date, which stands in for the subject. */
function origin(file: string, set: 'a' | 'b'): { subject: string; site: string } {
  const name = stem(file);
  if (set === 'a') return { subject: name.match(/_(\d{8})\d*$/)?.[1]?.replace(/^/, 'a') ?? '', site: '' };
  const found = name.match(/_(\d+)_\d+_([A-Z]\d*(?:_\d+)?)$/);
  return { subject: found?.[1] ? `b${found[1]}` : '', site: found?.[2] ?? '' };
}
