/**
 * Yaseen et al. 2018 as published: folders AS, MR, MS, MVP, N (also `AS_New…`), clips inside. Clips overlap heavily and
 * subjects are not known: a split by recording leaks, which the adapter says.
 */
import { join } from 'node:path';
import { makeRecording } from '../manifest-csv.js';
import { audioIn, subfolders } from './audio-files.js';
import type { Adapter } from './types.js';

const CLASS = /^(AS|MR|MS|MVP|N)(_New.*)?$/;

export const openYaseen: Adapter = (folder) => {
  const classes = subfolders(folder).flatMap((name) => (CLASS.test(name) ? [{ name, label: CLASS.exec(name)?.[1] ?? '' }] : []));
  if (classes.length < 2) return undefined;
  const recordings = classes.flatMap(({ name, label }) =>
    audioIn(join(folder, name)).map((file) => makeRecording({ file: `${name}/${file}`, dataset: 'yaseen', label, sublabel: '', subject: '', site: '' }, folder)),
  );
  const message = 'clips of this collection overlap and their subjects are unknown: results on a split of it are too good; use a manifest.csv that groups them';
  return { kind: 'yaseen', recordings, problems: [{ code: 'NO_SUBJECTS', file: folder, message }] };
};
