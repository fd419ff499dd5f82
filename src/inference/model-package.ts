/** A model package read from disk and verified: manifest, sizes and hashes, golden; and where packages are found. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { packageRoot } from '../common/paths.js';
import { inferenceError } from './inference-error.js';
import { checkGoldenFile, checkManifest } from './manifest-check.js';
import type { Golden, Manifest } from './manifest.js';

export interface ModelPackage {
  /** Absolute folder. */
  readonly folder: string;
  readonly manifest: Manifest;
  /** Absolute path of the ONNX file, its hash verified. */
  readonly onnxFile: string;
  readonly golden: Golden;
}

const FETCH_AGAIN = 'Fetch or export the model package again; if you changed a file on purpose, write the package with `stethostream train`.';

/**
 * Reads a package and verifies all it says about its files.
 * @throws StageError INFERENCE_MODEL_NOT_FOUND, INFERENCE_MANIFEST_INVALID, INFERENCE_FILE_MISSING,
 * INFERENCE_HASH_MISMATCH or INFERENCE_GOLDEN_INVALID. (INFERENCE_GOLDEN_MISMATCH comes from the engine that runs it.)
 */
export async function loadModelPackage(folder: string): Promise<ModelPackage> {
  const absolute = resolve(folder);
  const manifestFile = join(absolute, 'manifest.json');
  const manifest = checkManifest(await readJson(manifestFile), manifestFile);
  for (const [role, entry] of Object.entries(manifest.files)) await verifyFile(absolute, role, entry);
  const goldenFile = join(absolute, manifest.files.golden.path);
  const golden = checkGoldenFile(parseJson(await readFile(goldenFile, 'utf8'), goldenFile, 'INFERENCE_GOLDEN_INVALID'), manifest, goldenFile);
  return { folder: absolute, manifest, onnxFile: join(absolute, manifest.files.onnx.path), golden };
}

/**
 * Folder of the model to use: `name` as a path or as a folder below `root`; without a name, the only package in `root`.
 * @param root default: models/ of this package.
 * @throws StageError INFERENCE_MODEL_NOT_FOUND, or INFERENCE_MODEL_AMBIGUOUS when several are there and none is named.
 */
export async function defaultModelFolder(name?: string, root: string = join(packageRoot, 'models')): Promise<string> {
  if (name !== undefined) {
    const candidates = isAbsolute(name) ? [name] : [resolve(name), join(root, name)];
    for (const candidate of candidates) if (await isPackage(candidate)) return candidate;
    throw notFound(`no manifest.json in ${candidates.join(' or ')}; packages there: ${(await packagesIn(root)).join(', ') || 'none'}`);
  }
  const names = await packagesIn(root);
  const [only] = names;
  if (only === undefined) throw notFound(`no model package in ${root}`);
  if (names.length === 1) return join(root, only);
  throw inferenceError('INFERENCE_MODEL_AMBIGUOUS', `${root} holds ${names.length} model packages: ${names.join(', ')}`, 'Name one with `--model NAME`.');
}

/** SHA-256 of a file in lower-case hex, and its size. */
export async function hashFile(file: string): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { sha256: hash.digest('hex'), bytes };
}

async function verifyFile(folder: string, role: string, { path, sha256, bytes }: Manifest['files']['onnx']): Promise<void> {
  const file = join(folder, path);
  const info = await stat(file).catch(() => undefined);
  if (!info?.isFile()) throw inferenceError('INFERENCE_FILE_MISSING', `${file} (the manifest's ${role} file) ${info ? 'is not a file' : 'does not exist'}`, FETCH_AGAIN);
  if (info.size !== bytes) throw inferenceError('INFERENCE_HASH_MISMATCH', `${file} has ${info.size} bytes, the manifest says ${bytes}`, FETCH_AGAIN);
  const found = await hashFile(file);
  if (found.sha256 !== sha256) throw inferenceError('INFERENCE_HASH_MISMATCH', `${file} has SHA-256 ${found.sha256}, the manifest says ${sha256}`, FETCH_AGAIN);
}

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw notFound(`cannot read ${file}: ${(cause as Error).message}`, cause);
  }
  return parseJson(text, file, 'INFERENCE_MANIFEST_INVALID');
}

function parseJson(text: string, file: string, code: 'INFERENCE_MANIFEST_INVALID' | 'INFERENCE_GOLDEN_INVALID'): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw inferenceError(code, `${file} is not JSON: ${(cause as Error).message}`, FETCH_AGAIN, { cause });
  }
}

function notFound(message: string, cause?: unknown) {
  return inferenceError('INFERENCE_MODEL_NOT_FOUND', message, 'Give a folder that holds manifest.json with `--model`, or make one with `stethostream train`.', { cause });
}

async function packagesIn(root: string): Promise<string[]> {
  const names = (await readdir(root).catch(() => [])).filter((name) => !name.startsWith('.')).toSorted();
  const found = await Promise.all(names.map((name) => isPackage(join(root, name))));
  return names.filter((_, i) => found[i]);
}

async function isPackage(folder: string): Promise<boolean> {
  return (await stat(join(folder, 'manifest.json')).catch(() => undefined))?.isFile() ?? false;
}
