/** A folder per class: `normal/`, `murmur/`, `extrasystole/` (or `extrastole/`), `artifact/`, `abnormal/`, `unlabelled/`, recordings inside. */
import { basename, join } from 'node:path';
import { makeRecording } from '../manifest-csv.js';
import { audioBelow, subfolders } from './audio-files.js';
import type { Adapter } from './types.js';

const CLASSES = ['normal', 'murmur', 'extrasystole', 'extrastole', 'artifact', 'abnormal', 'unlabelled'];

export const openClassFolders: Adapter = (folder) => {
  const classes = subfolders(folder).filter((name) => CLASSES.includes(name.toLowerCase()));
  if (classes.length === 0) return undefined;
  const dataset = basename(folder);
  const recordings = classes.flatMap((name) => {
    const label = name.toLowerCase() === 'unlabelled' ? '' : name.toLowerCase();
    return audioBelow(join(folder, name)).map((file) => makeRecording({ file: `${name}/${file}`, dataset, label, sublabel: '', subject: '', site: '' }, folder));
  });
  const message = 'a folder per class names no subjects: recordings of one person may be on both sides of a split; a manifest.csv can name them';
  return { kind: 'class-folders', recordings, problems: [{ code: 'NO_SUBJECTS', file: folder, message }] };
};
