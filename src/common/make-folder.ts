/** Makes folders one by one: Node's `mkdirSync(…, { recursive: true })` never comes back from a place like /proc/x. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes the folder and those above it that are missing; another process or thread may do so at the same time.
 * @returns the topmost one that had to be made; undefined where there was nothing to make.
 * @throws the file system's error where one can't be made.
 */
export function makeFolder(folder: string): string | undefined {
  if (isFolder(folder)) return undefined;
  const above = makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    if (!isFolder(folder)) throw error;
    return above;
  }
  return above ?? folder;
}

const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
