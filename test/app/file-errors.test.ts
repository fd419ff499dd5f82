/** Errors of the file system, as it throws them. */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { namedFileError } from '../../src/app/file-errors.js';
import { StageError } from '../../src/common/stage-error.js';

function thrownBy(run: () => void): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('namedFileError', () => {
  it.skipIf(!existsSync('/dev/full'))('says that a disk is full', () => {
    expect(namedFileError(thrownBy(() => appendFileSync('/dev/full', 'x')))).toMatchObject({ code: 'APP_FILE_ACCESS', message: expect.stringContaining('no space left'), remedy: expect.stringContaining('Free some space') });
  });

  it('names the path that cannot be', () => {
    const path = `${import.meta.filename}/below`;
    expect(namedFileError(thrownBy(() => mkdirSync(path)))).toMatchObject({ code: 'APP_FILE_ACCESS', message: expect.stringContaining(path), remedy: expect.stringContaining('Check') });
  });

  it('leaves alone what is something else', () => {
    const named = new StageError({ code: 'TRAINING_CHECKPOINT_FAILED', stage: 'training', message: 'ENOSPC' });
    // A file that should be there and is not may well be a defect.
    const absent = thrownBy(() => readFileSync(`${import.meta.filename}.absent`));
    for (const thrown of [named, absent, new TypeError('x'), 'text']) expect(namedFileError(thrown)).toBe(thrown);
  });
});
