/** A folder per class: `normal/`, `murmur/`, `extrasystole/` (or `extrastole/`), `artifact/`, `abnormal/`, `unlabelled/`, recordings inside. */
import { basename, join } from 'node:path';
import { makeRecording, type LabelOptions } from '../manifest-csv.js';
import { audioBelow, audioIn, subfolders } from './audio-files.js';
import type { Adapter } from './types.js';

const CLASSES = ['normal', 'murmur', 'extrasystole', 'extrastole', 'artifact', 'abnormal', 'unlabelled'];

const isKnown = (name: string) => CLASSES.includes(name.toLowerCase());

/** At least one folder has a known name; with `anyLabel` the others that directly hold recordings are classes as well. */
export const openClassFolders: Adapter = (folder, options) => (subfolders(folder).some(isKnown) ? openFolders(folder, options) : undefined);

/** Two folders or more that directly hold recordings, whatever their names. */
export const openAnyFolders: Adapter = (folder) => (subfolders(folder).filter((name) => audioIn(join(folder, name)).length > 0).length >= 2 ? openFolders(folder, { anyLabel: true }) : undefined);

function openFolders(folder: string, options: LabelOptions): ReturnType<Adapter> {
  const classes = subfolders(folder).filter((name) => isKnown(name) || (options.anyLabel === true && audioIn(join(folder, name)).length > 0));
  const dataset = basename(folder);
  const recordings = classes.flatMap((name) => {
    const label = name.toLowerCase() === 'unlabelled' ? '' : isKnown(name) ? name.toLowerCase() : name;
    return audioBelow(join(folder, name)).map((file) => makeRecording({ file: `${name}/${file}`, dataset, label, sublabel: '', subject: '', site: '' }, folder, options));
  });
  const message = 'a folder per class names no subjects: recordings of one person may be on both sides of a split; a manifest.csv can name them';
  return { kind: 'class-folders', recordings, problems: [{ code: 'NO_SUBJECTS', file: folder, message }] };
}
