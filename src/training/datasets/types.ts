/** What opening a folder of recordings gives, whatever form it is in. */
import type { LabelOptions, Recording } from '../manifest-csv.js';

/** Forms that are known. */
export type DatasetKind = 'manifest' | 'pascal' | 'physionet' | 'circor' | 'yaseen' | 'bmdhs' | 'class-folders' | 'collection';

/** Something odd that the adapter met; the recordings that it could make are there all the same. */
export interface DatasetProblem {
  code: 'NAME_MISMATCH' | 'FILE_MISSING' | 'ROW_INVALID' | 'NO_SUBJECTS';
  /** What it is about: a file as listed, or a folder. */
  file: string;
  message: string;
}

export interface OpenedDataset {
  kind: DatasetKind;
  /** Absolute. */
  folder: string;
  recordings: Recording[];
  problems: DatasetProblem[];
}

/** Reads one form; undefined when the folder is not in it. */
export type Adapter = (folder: string, options: LabelOptions) => Omit<OpenedDataset, 'folder'> | undefined;
