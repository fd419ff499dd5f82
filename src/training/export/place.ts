/** Puts an export's files where they belong: whole or not at all, and never over something that is there unless asked. */
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { makeFolder } from '../../common/make-folder.js';
import { StageError } from '../../common/stage-error.js';
import type { ExportFile } from './types.js';

/** Throws TRAINING_EXPORT_EXISTS, before any work. */
export function refuseExisting(targets: readonly string[], force: boolean): void {
  const there = force ? [] : targets.filter((target) => existsSync(target));
  if (there.length === 0) return;
  throw new StageError({ code: 'TRAINING_EXPORT_EXISTS', stage: 'training', message: `${there.join(', ')} exists already`, remedy: 'Name another folder with --output, or overwrite with --force.' });
}

/**
 * Writes beside the target, lets `check` look at what was written, then renames.
 * @throws StageError TRAINING_EXPORT_UNWRITABLE, or what `check` throws; the target is then as it was.
 */
export async function place<T>(target: string, files: readonly ExportFile[], check: (partial: string) => Promise<T>): Promise<T> {
  const partial = join(dirname(target), `.${process.pid}.partial-${basename(target)}`);
  writing(target, () => makeFolder(dirname(target)));
  try {
    writing(target, () => write(partial, files));
    const result = await check(partial);
    writing(target, () => swapIn(partial, target));
    return result;
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

function write(partial: string, files: readonly ExportFile[]): void {
  for (const { path, data } of files) {
    const file = path === '' ? partial : join(partial, path);
    makeFolder(dirname(file));
    writeFileSync(file, data);
  }
}

/** What is there is moved aside first, and back if the rename fails: a folder cannot be renamed over another one. */
function swapIn(partial: string, target: string): void {
  if (!existsSync(target)) return renameSync(partial, target);
  const old = `${partial}.old`;
  renameSync(target, old);
  try {
    renameSync(partial, target);
  } catch (error) {
    renameSync(old, target);
    throw error;
  }
  rmSync(old, { recursive: true, force: true });
}

function writing(target: string, run: () => void): void {
  try {
    run();
  } catch (cause) {
    throw new StageError({ code: 'TRAINING_EXPORT_UNWRITABLE', stage: 'training', message: `${target} cannot be written: ${(cause as Error).message}`, remedy: 'Free space, check rights, or name another folder with --output.', cause });
  }
}
