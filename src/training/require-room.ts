/** Whether a run can leave its files where it is told to, asked before it starts: rights, and room on the disk. */
import { readdirSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../common/make-folder.js';
import { StageError } from '../common/stage-error.js';
import { parameters, type ResNetSpec } from '../inference/resnet34.js';
import { elementCount } from '../inference/state-dict.js';
import { gigabytes } from './format.js';
import type { HeartRecipe } from './recipe.js';

/** A checkpoint holds weights, their average and two moments; the next one is written before the last one goes. */
const CHECKPOINTS = 2 * 4;

/** Bytes of a network's weights as float32. */
export function weightBytes(spec: ResNetSpec): number {
  return 4 * parameters(spec).reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/** Bytes that a stage's checkpoints take while it runs, beside `files` files of weights that the run keeps. */
export function runBytes(spec: ResNetSpec, files: number): number {
  return (CHECKPOINTS + files) * weightBytes(spec);
}

/** Files of weights that a run of the recipe `heart` keeps: every fine-tuning and its teacher, their averages, and what comes before. */
export function heartFiles({ folds, finetuneRuns, pseudoLabels, listen }: HeartRecipe): number {
  return (listen ? 2 : 1) + (folds + 1) * (finetuneRuns + 1 + (pseudoLabels ? 1 : 0));
}

/**
 * Makes the folder and sees that it can be written and that `bytes` more fit there, less what it holds already: a run
 * that goes on needs only the rest. A folder that was not there is left there only if `keep` says so (default).
 * @param option names the folder to the user, e.g. `--run`.
 * @throws StageError TRAINING_FOLDER_UNWRITABLE, TRAINING_DISK_FULL
 */
export function requireRoom(folder: string, bytes: number, { option, keep = true }: { option: string; keep?: boolean }): void {
  const made = writable(folder, option);
  try {
    const { bavail, bsize } = statfsSync(folder);
    const needed = bytes - sizeOf(folder);
    if (bavail * bsize >= needed) return;
    throw new StageError({
      code: 'TRAINING_DISK_FULL',
      stage: 'training',
      message: `${folder} has room for ${gigabytes(bavail * bsize)} GB, the run needs up to ${gigabytes(needed)} GB there`,
      remedy: `Free some space, or name a folder on another disk with ${option}.`,
    });
  } finally {
    if (made !== undefined && !keep) rmSync(made, { recursive: true, force: true });
  }
}

/** Gives the topmost folder that had to be made. */
function writable(folder: string, option: string): string | undefined {
  const probe = join(folder, `.writable-${process.pid}`);
  try {
    const made = makeFolder(folder);
    tryWriting(probe);
    return made;
  } catch (cause) {
    throw new StageError({ code: 'TRAINING_FOLDER_UNWRITABLE', stage: 'training', message: `${folder} cannot be written: ${(cause as Error).message}`, remedy: `Check rights and space, or name another folder with ${option}.`, cause });
  }
}

function tryWriting(probe: string): void {
  try {
    writeFileSync(probe, 'x');
  } finally {
    // A full disk may have taken the name and not the content.
    rmSync(probe, { force: true });
  }
}

/** Bytes of the files in a folder and below. */
function sizeOf(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((sum, { parentPath, name }) => sum + (statSync(join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}
