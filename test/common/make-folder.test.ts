import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeFolder } from '../../src/common/make-folder.js';

const root = mkdtempSync(join(tmpdir(), 'stetho-folder-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('makeFolder', () => {
  it('makes what is missing and gives the topmost of it, and nothing where it is there', () => {
    expect(makeFolder(join(root, 'a', 'b', 'c'))).toBe(join(root, 'a'));
    expect(statSync(join(root, 'a', 'b', 'c')).isDirectory()).toBe(true);
    expect(makeFolder(join(root, 'a', 'd'))).toBe(join(root, 'a', 'd'));
    expect(makeFolder(join(root, 'a', 'd'))).toBeUndefined();
  });

  it('refuses a file, and what would be below it', () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    for (const folder of [file, join(file, 'below')]) expect(() => makeFolder(folder)).toThrow(file);
  });

  it.runIf(existsSync('/proc/self'))('comes back with an error from a place where none can be made (Linux only)', () => {
    expect(() => makeFolder('/proc/nowhere/a/b')).toThrow('/proc/nowhere');
  });
});
