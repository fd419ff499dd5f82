/** Writes a model package whole or not at all: weights, golden, card, then the manifest with their hashes. */
import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { OnnxEngine } from './engines/onnx.js';
import { checkGolden } from './golden-check.js';
import { inferenceError } from './inference-error.js';
import { checkGoldenFile, checkManifest } from './manifest-check.js';
import type { Golden, Manifest } from './manifest.js';
import { hashFile, loadModelPackage, type ModelPackage } from './model-package.js';
import { writeResNetOnnx } from './onnx-writer.js';
import { specOf } from './spec-of.js';
import type { StateDict } from './state-dict.js';

/** Passed by every engine known, and far below what a wrong feature or weight would cause. */
const DEFAULT_GOLDEN_TOLERANCE = 1e-3;
const NO_FILE = { path: '-', sha256: '0'.repeat(64), bytes: 0 };

export interface ModelPackageContents {
  manifest: Omit<Manifest, 'files'>;
  /** Unfolded weights under torchvision's names; the architecture is read from their shapes. */
  state: StateDict;
  golden: {
    /** One window: nMels × windowFrames, row-major. */
    input: ArrayLike<number>;
    /** What training computed for it; the written model must reproduce it. Absent: what the written model gives. */
    probabilities?: ArrayLike<number>;
    /** Largest absolute difference in probability; default 1e-3. */
    tolerance?: number;
  };
  /** The model card, Markdown; becomes README.md. */
  card: string;
  /** Default fp16. */
  weights?: 'fp16' | 'fp32';
  /** Replace a package that is there; default false. */
  overwrite?: boolean;
}

/**
 * Writes and then loads the package, running its golden input.
 * @returns the verified package.
 * @throws StageError INFERENCE_PACKAGE_EXISTS, INFERENCE_MANIFEST_INVALID, INFERENCE_WEIGHTS_INVALID,
 * INFERENCE_GOLDEN_MISMATCH …; the folder is then as it was before.
 */
export async function writeModelPackage(folder: string, contents: ModelPackageContents): Promise<ModelPackage> {
  const target = resolve(folder);
  if (existsSync(target) && !contents.overwrite) {
    throw inferenceError('INFERENCE_PACKAGE_EXISTS', `${target} exists already`, 'Choose another name, remove it, or ask for it to be overwritten.');
  }
  const partial = join(dirname(target), `.${basename(target)}.${process.pid}.partial`);
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  try {
    await fill(partial, contents);
    await swapIn(partial, target);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
  return loadModelPackage(target);
}

async function fill(folder: string, contents: ModelPackageContents): Promise<void> {
  // Checked before anything is built from it; the entries get their real hashes at the end.
  const draft = checkManifest({ ...contents.manifest, files: { onnx: NO_FILE, golden: NO_FILE, card: NO_FILE } }, 'the manifest to be written');
  const { features, input, output } = draft;
  const sizes = { height: features.mel.nMels, width: features.windowFrames, inputName: input.name, outputName: output.name };
  const onnxFile = join(folder, 'weights.onnx');
  await writeSynced(onnxFile, writeResNetOnnx(contents.state, specOf(contents.state, sizes), { ...sizes, weights: contents.weights ?? 'fp16' }));
  const golden = await makeGolden(folder, onnxFile, draft, contents.golden);
  await writeSynced(join(folder, 'golden.json'), `${JSON.stringify(golden)}\n`);
  await writeSynced(join(folder, 'README.md'), contents.card);
  const entry = async (path: string) => ({ path, ...(await hashFile(join(folder, path))) });
  const files = { onnx: await entry('weights.onnx'), golden: await entry('golden.json'), card: await entry('README.md') };
  await writeSynced(join(folder, 'manifest.json'), `${JSON.stringify({ ...draft, files }, undefined, 2)}\n`);
}

/** Checks the golden output that training gave against the written weights, or takes what they give. */
async function makeGolden(folder: string, onnxFile: string, manifest: Manifest, given: ModelPackageContents['golden']): Promise<Golden> {
  const input = Array.from(given.input);
  const tolerance = given.tolerance ?? DEFAULT_GOLDEN_TOLERANCE;
  const engine = new OnnxEngine({ threads: 1 });
  await engine.load({ folder, onnxFile, manifest, golden: { input, probabilities: [], tolerance } });
  try {
    const probabilities = Array.from(given.probabilities ?? (await engine.run(Float32Array.from(input), 1)));
    const golden = checkGoldenFile({ input, probabilities, tolerance }, manifest, 'the golden window to be written');
    await checkGolden(engine, { folder, onnxFile, manifest, golden });
    return golden;
  } finally {
    await engine.close();
  }
}

async function writeSynced(file: string, data: string | Uint8Array): Promise<void> {
  const handle = await open(file, 'w');
  try {
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Two renames; an old package is moved aside first and put back if the second one fails. */
async function swapIn(partial: string, target: string): Promise<void> {
  if (!existsSync(target)) return rename(partial, target);
  const old = `${partial}.old`;
  await rename(target, old);
  try {
    await rename(partial, target);
  } catch (error) {
    await rename(old, target);
    throw error;
  }
  await rm(old, { recursive: true, force: true });
}
