/** Room for a run's files, asked for before it starts. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { resnet34 } from '../../src/inference/resnet34.js';
import { HEART_RECIPE } from '../../src/training/recipe.js';
import { heartFiles, requireRoom, runBytes, weightBytes } from '../../src/training/require-room.js';

const root = mkdtempSync(join(tmpdir(), 'stetho-room-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('requireRoom', () => {
  it('makes the folder, and leaves it there or not', () => {
    requireRoom(join(root, 'a', 'b'), 1, { option: '--run' });
    expect(existsSync(join(root, 'a', 'b'))).toBe(true);
    requireRoom(join(root, 'a', 'c', 'd'), 1, { option: '--output', keep: false });
    expect(existsSync(join(root, 'a', 'c'))).toBe(false);
    requireRoom(join(root, 'a', 'b'), 1, { option: '--output', keep: false });
    expect(existsSync(join(root, 'a', 'b'))).toBe(true);
  });

  it('refuses a path through a file, with the option to change', () => {
    writeFileSync(join(root, 'file'), '');
    const folder = join(root, 'file', 'run');
    expect(() => requireRoom(folder, 1, { option: '--output' })).toThrowError(
      expect.objectContaining({ code: 'TRAINING_FOLDER_UNWRITABLE', message: expect.stringContaining(`${folder} cannot be written`), remedy: expect.stringContaining('--output') }),
    );
  });

  it.runIf(existsSync('/proc/self'))('refuses a folder where none can be made (Linux only)', () => {
    expect(() => requireRoom('/proc/nowhere/run', 1, { option: '--run' })).toThrowError(expect.objectContaining({ code: 'TRAINING_FOLDER_UNWRITABLE', message: expect.stringContaining('/proc/nowhere') }));
  });

  it('refuses a disk with less room than the run needs, and counts what the folder holds already', () => {
    const full = join(root, 'full');
    const error = expect.objectContaining({ code: 'TRAINING_DISK_FULL', message: expect.stringMatching(/full has room for [\d.]+ GB, the run needs up to 1000000000\.0 GB there$/) });
    expect(() => requireRoom(full, 1e18, { option: '--run' })).toThrowError(error);
    writeFileSync(join(full, 'weights'), new Uint8Array(1000));
    expect(() => requireRoom(full, 1000, { option: '--run' })).not.toThrow();
  });
});

describe('what a run leaves', () => {
  it('is the weights of every stage of the recipe, and two checkpoints while one runs', () => {
    const spec = resnet34(4);
    expect(weightBytes(spec) / 1e6).toBeCloseTo(85.2, 1);
    // Pre-training; 4 folds and the final one, each with a teacher, a member and their average.
    expect(heartFiles({ ...HEART_RECIPE, folds: 4, finetuneRuns: 1, pseudoLabels: true, listen: undefined })).toBe(1 + 5 * 3);
    expect(heartFiles({ ...HEART_RECIPE, folds: 2, finetuneRuns: 3, pseudoLabels: false })).toBe(2 + 3 * 4);
    expect(runBytes(spec, 16)).toBe(24 * weightBytes(spec));
  });
});
