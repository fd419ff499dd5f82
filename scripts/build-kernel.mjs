#!/usr/bin/env node
/**
 * Compiles wasm/mel-kernel.ts (AssemblyScript) into src/features/kernel/mel-kernel-binary.ts. Needed only after the
 * kernel's source has changed; a test says when the two do not belong together. The compiler is no dependency (100 MB):
 *
 *     node scripts/build-kernel.mjs [path of asc.js; default: npx fetches assemblyscript]
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ASSEMBLYSCRIPT = '0.28.20';
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = join(root, 'wasm', 'mel-kernel.ts');
const folder = mkdtempSync(join(tmpdir(), 'mel-kernel-'));
const wasm = join(folder, 'kernel.wasm');
const flags = [source, '-o', wasm, '-O3', '--converge', '--noAssert', '--runtime', 'stub', '--enable', 'simd', '--importMemory'];
const [command, ...first] = process.argv[2] ? [process.execPath, process.argv[2]] : ['npx', '--yes', '--package', `assemblyscript@${ASSEMBLYSCRIPT}`, 'asc'];

execFileSync(command, [...first, ...flags], { stdio: 'inherit' });
const bytes = readFileSync(wasm);
rmSync(folder, { recursive: true });
const sha256 = createHash('sha256').update(readFileSync(source)).digest('hex');
writeFileSync(
  join(root, 'src', 'features', 'kernel', 'mel-kernel-binary.ts'),
  `/** Made by scripts/build-kernel.mjs from wasm/mel-kernel.ts; not to be edited. */

/** SHA-256 of the source that it was made from. */
export const sourceSha256 = '${sha256}';

/** The WebAssembly module, base64. */
export const base64 =
  '${bytes.toString('base64')}';
`,
);
console.log(`${bytes.length} bytes of WebAssembly`);
