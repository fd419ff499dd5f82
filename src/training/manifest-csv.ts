/** Recordings of a data folder, read from its manifest.csv (columns file,dataset,label,sublabel,subject,site). */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { StageError } from '../common/stage-error.js';
import { parseCsv } from './csv.js';
import { labelSet, type LabelSet } from './label-map.js';

/** One labelled clip. */
export interface Recording {
  /** Path as in the manifest, relative to the folder. */
  file: string;
  /** Absolute path. */
  path: string;
  dataset: string;
  /** As in the manifest. */
  label: string;
  sublabel: string;
  subject: string;
  site: string;
  /** The model labels that it may be; 0 = unlabelled. */
  set: LabelSet;
  /** What must never be split: data set + subject, or the recording itself where no subject is known. */
  group: string;
}

/** Which labels may occur. */
export interface LabelOptions {
  /** Labels that the heart model doesn't know are let through (set 0) rather than refused. */
  anyLabel?: boolean;
}

const columns = ['file', 'dataset', 'label', 'sublabel', 'subject', 'site'] as const;

/** Reads and checks `folder`/manifest.csv. Throws TRAINING_MANIFEST_MISSING, TRAINING_MANIFEST_INVALID, TRAINING_LABEL_UNKNOWN. */
export function readManifestCsv(folder: string, options: LabelOptions = {}): Recording[] {
  const path = join(resolve(folder), 'manifest.csv');
  if (!existsSync(path) || !statSync(path).isFile()) {
    throw new StageError({
      code: 'TRAINING_MANIFEST_MISSING',
      stage: 'training',
      message: `${path} does not exist`,
      remedy: `Name a folder that holds manifest.csv with the columns ${columns.join(',')}.`,
    });
  }
  return parseManifest(readFileSync(path, 'utf8'), path, resolve(folder), options);
}

/** The same from text; `path` is for messages, `folder` is what `file` is relative to. */
export function parseManifest(text: string, path: string, folder: string, options: LabelOptions = {}): Recording[] {
  const rows = parseRows(text, path);
  const header = rows.shift() ?? [];
  const at = columns.map((name) => header.indexOf(name));
  const required = columns.filter((name, i) => (name === 'file' || name === 'dataset' || name === 'label') && (at[i] ?? -1) < 0);
  if (required.length > 0) throw invalid(path, 1, `has no column ${required.join(', ')} (found: ${header.join(',')})`);
  const seen = new Set<string>();
  const recordings = rows.map((row, index) => {
    const line = index + 2;
    if (row.length !== header.length) throw invalid(path, line, `has ${row.length} fields, the header has ${header.length}`);
    const [file = '', dataset = '', label = '', sublabel = '', subject = '', site = ''] = at.map((i) => (i < 0 ? '' : (row[i] ?? '')));
    if (file === '') throw invalid(path, line, 'names no file');
    if (seen.has(file)) throw invalid(path, line, `names ${file} a second time`);
    seen.add(file);
    return named(`${path}, line ${line}`, () => makeRecording({ file, dataset, label, sublabel, subject, site }, folder, options));
  });
  if (recordings.length === 0) throw invalid(path, 1, 'lists no recording');
  return recordings;
}

function parseRows(text: string, path: string): string[][] {
  try {
    return parseCsv(text).filter((row) => row.length > 1 || row[0] !== '');
  } catch (error) {
    throw invalid(path, 0, error instanceof Error ? error.message : String(error));
  }
}

/** What a row (or an adapter of src/training/datasets) says of a recording → the recording. Throws TRAINING_LABEL_UNKNOWN. */
export function makeRecording(row: Omit<Recording, 'path' | 'set' | 'group'>, folder: string, { anyLabel = false }: LabelOptions = {}): Recording {
  const { file, dataset, label, subject } = row;
  return { ...row, path: join(folder, file), set: anyLabel ? knownSet(dataset, label) : labelSet(dataset, label), group: groupOf(dataset, subject, file) };
}

/** 0 for a label that the heart model doesn't know. */
function knownSet(dataset: string, label: string): LabelSet {
  try {
    return labelSet(dataset, label);
  } catch (error) {
    if (error instanceof StageError) return 0;
    throw error;
  }
}

/** Puts where it happened before an error's message. */
export function named<T>(where: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof StageError)) throw error;
    throw new StageError({ code: error.code, stage: 'training', message: `${where}: ${error.message}`, remedy: error.remedy, cause: error });
  }
}

function groupOf(dataset: string, subject: string, file: string): string {
  return subject === '' ? `${dataset}|file:${file}` : `${dataset}|${subject}`;
}

function invalid(path: string, line: number, what: string): StageError {
  return new StageError({
    code: 'TRAINING_MANIFEST_INVALID',
    stage: 'training',
    message: `${path}${line > 0 ? `, line ${line}` : ''}: ${what}`,
    remedy: `Correct the file: one header row (${columns.join(',')}), one row per recording, each file once.`,
  });
}
