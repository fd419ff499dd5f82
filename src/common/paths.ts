/** Where things lie on disk: the package root, built entry points of workers and child processes, the cache folder. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StageError } from './stage-error.js';

/** Absolute path of the folder that holds package.json, found upward from this file (src/ in tests, dist/ when built). */
export const packageRoot: string = findPackageRoot(dirname(fileURLToPath(import.meta.url)));

function findPackageRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (folder === dirname(folder)) throw new Error(`no package.json above ${from}`);
  }
}

/**
 * Absolute path of a built module, for `new Worker()` and `fork()`, which need JavaScript even when the caller runs
 * as TypeScript under vitest. `module` is its path below src/ without extension, e.g. `inference/engine-worker`.
 */
export function builtModule(module: string): string {
  const file = join(packageRoot, 'dist', `${module}.js`);
  if (!existsSync(file)) {
    throw new StageError({
      code: 'APP_NOT_BUILT',
      stage: 'app',
      message: `${file} does not exist`,
      remedy: 'Run `npm run build` first.',
    });
  }
  return file;
}

/** Per-user cache folder (features, TensorFlow's library): $STETHOSTREAM_CACHE, else $XDG_CACHE_HOME/stethostream, else ~/.cache/stethostream. */
export function cacheDir(): string {
  if (process.env['STETHOSTREAM_CACHE']) return process.env['STETHOSTREAM_CACHE'];
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'stethostream');
}
