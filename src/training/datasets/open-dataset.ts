/** Opens a folder of recordings in any known form: manifest.csv, the published forms of the public collections, a folder per class. */
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { StageError } from '../../common/stage-error.js';
import { makeRecording, readManifestCsv, type LabelOptions } from '../manifest-csv.js';
import { subfolders } from './audio-files.js';
import { openBmdhs } from './bmdhs.js';
import { openCircor } from './circor.js';
import { openAnyFolders, openClassFolders } from './class-folders.js';
import { openPascal } from './pascal.js';
import { openPhysionet } from './physionet.js';
import { sameSpelling } from './spelling.js';
import type { Adapter, OpenedDataset } from './types.js';
import { openYaseen } from './yaseen.js';

export type { DatasetKind, DatasetProblem, OpenedDataset } from './types.js';

const openManifest: Adapter = (folder, options) => (existsSync(join(folder, 'manifest.csv')) ? { kind: 'manifest', recordings: readManifestCsv(folder, options), problems: [] } : undefined);

/** In order: the more a form says, the earlier it is tried. */
const adapters: readonly Adapter[] = [openManifest, openPascal, openPhysionet, openBmdhs, openCircor, openYaseen, openClassFolders];

/**
 * @throws StageError TRAINING_FOLDER_MISSING, TRAINING_DATASET_UNRECOGNISED, TRAINING_DATASET_EMPTY, and those of
 * readManifestCsv (TRAINING_MANIFEST_INVALID, TRAINING_LABEL_UNKNOWN). With `anyLabel`, labels and class folders may have any name; labels that differ only in capitals are one.
 */
export function openDataset(folder: string, options: LabelOptions = {}): OpenedDataset {
  const absolute = resolve(folder);
  if (!existsSync(absolute) || !statSync(absolute).isDirectory()) {
    throw trainingError('TRAINING_FOLDER_MISSING', `${absolute} is no folder`, 'Name the folder that holds the recordings.');
  }
  const opened = openOne(absolute, options) ?? openSeveral(absolute, options) ?? (options.anyLabel ? openOne(absolute, options, [openAnyFolders]) : undefined);
  if (opened === undefined) {
    throw trainingError(
      'TRAINING_DATASET_UNRECOGNISED',
      `${absolute} holds recordings in no known form`,
      'Known are: manifest.csv (file,dataset,label,sublabel,subject,site), PASCAL (set_b.csv beside set_b/), PhysioNet 2016 (REFERENCE.csv), CirCor (.txt beside .wav), Yaseen (folders AS, MR, MS, MVP, N), BMD-HS (train.csv beside train/), or one folder per class (normal, murmur, extrasystole, artifact, abnormal).',
    );
  }
  if (opened.recordings.length === 0) throw trainingError('TRAINING_DATASET_EMPTY', `${absolute} is in the form "${opened.kind}" but lists no recording`, 'Check that the download is complete.');
  return { ...opened, recordings: sameSpelling(opened.recordings) };
}

function openOne(folder: string, options: LabelOptions, among = adapters): OpenedDataset | undefined {
  for (const adapter of among) {
    const opened = adapter(folder, options);
    if (opened) return { folder, ...opened };
  }
  return undefined;
}

/** Several collections side by side. */
function openSeveral(folder: string, options: LabelOptions): OpenedDataset | undefined {
  const parts = subfolders(folder).flatMap((name) => {
    const opened = openOne(join(folder, name), options);
    return opened ? [{ name, opened }] : [];
  });
  if (parts.length === 0) return undefined;
  return {
    kind: 'collection',
    folder,
    recordings: parts.flatMap(({ name, opened }) => opened.recordings.map((recording) => makeRecording({ ...recording, file: `${name}/${recording.file}` }, folder, options))),
    problems: parts.flatMap(({ name, opened }) => opened.problems.map((problem) => ({ ...problem, file: problem.file === opened.folder ? name : `${name}/${problem.file}` }))),
  };
}

function trainingError(code: string, message: string, remedy: string): StageError {
  return new StageError({ code, stage: 'training', message, remedy });
}
