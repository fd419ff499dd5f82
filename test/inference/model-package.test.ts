import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { calibratedSoftmax } from '../../src/inference/calibrate.js';
import { defaultModelFolder, hashFile, loadModelPackage } from '../../src/inference/model-package.js';
import { specOf } from '../../src/inference/spec-of.js';
import { naiveForward } from './naive-resnet.js';
import { SMALL, smallState } from './small-model.js';
import { smallContents, writeSmallPackage } from './test-package.js';

const root = mkdtempSync(join(tmpdir(), 'model-package-'));
const good = join(root, 'good');
beforeAll(() => writeSmallPackage(good));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let copies = 0;
/** A copy of the good package, spoilt. */
function spoilt(spoil: (folder: string) => void): string {
  const folder = join(root, `copy-${copies++}`);
  cpSync(good, folder, { recursive: true });
  spoil(folder);
  return folder;
}

/** A copy whose manifest was edited. */
function edited(edit: (manifest: Record<string, never>) => void): string {
  return spoilt((folder) => {
    const file = join(folder, 'manifest.json');
    const manifest = JSON.parse(readFileSync(file, 'utf8')) as Record<string, never>;
    edit(manifest);
    writeFileSync(file, JSON.stringify(manifest));
  });
}

describe('model package', () => {
  it('is written with hashes and a golden output that the naive forward pass confirms', async () => {
    const { manifest, golden, onnxFile } = await loadModelPackage(good);
    expect(readdirSync(good).toSorted()).toEqual(['README.md', 'golden.json', 'manifest.json', 'weights.onnx']);
    expect(await hashFile(onnxFile)).toEqual({ sha256: manifest.files.onnx.sha256, bytes: manifest.files.onnx.bytes });
    const logits = naiveForward(smallState(), SMALL.spec, Float32Array.from(golden.input), SMALL.height, SMALL.width);
    calibratedSoftmax(logits, 4, 1.5).forEach((p, i) => expect(Math.abs(p - golden.probabilities[i]!)).toBeLessThan(2e-3));
    expect(specOf(smallState(), SMALL)).toEqual(SMALL.spec);
  });

  it.each<[string, string, () => string, RegExp]>([
    ['no folder', 'INFERENCE_MODEL_NOT_FOUND', () => join(root, 'none'), /none\/manifest\.json/],
    ['no manifest', 'INFERENCE_MODEL_NOT_FOUND', () => spoilt((f) => rmSync(join(f, 'manifest.json'))), /manifest\.json/],
    ['manifest not JSON', 'INFERENCE_MANIFEST_INVALID', () => spoilt((f) => truncateSync(join(f, 'manifest.json'), 40)), /not JSON/],
    ['field missing', 'INFERENCE_MANIFEST_INVALID', () => edited((m) => delete (m as Record<string, unknown>)['labels']), /\/labels is missing/],
    ['wrong type', 'INFERENCE_MANIFEST_INVALID', () => edited((m) => Object.assign(m['features']['mel'], { nFft: 'big' })), /\/features\/mel\/nFft is "big", expected integer/],
    ['wrong choice', 'INFERENCE_MANIFEST_INVALID', () => edited((m) => Object.assign(m['features'], { normalisation: 'zscore' })), /is "zscore", expected one of .*windowMeanStd/],
    ['unknown field', 'INFERENCE_MANIFEST_INVALID', () => edited((m) => Object.assign(m, { colour: 'red' })), /\/colour is "red"/],
    ['FFT length', 'INFERENCE_MANIFEST_INVALID', () => edited((m) => Object.assign(m['features']['mel'], { nFft: 200 })), /nFft is 200, expected a power of two/],
    ['above Nyquist', 'INFERENCE_MANIFEST_INVALID', () => edited((m) => Object.assign(m['features']['mel'], { fMaxHz: 1500 })), /fMaxHz is 1500, expected at most sampleRateHz \/ 2 = 1000/],
    ['label `unknown`', 'INFERENCE_MANIFEST_INVALID', () => edited((m) => Object.assign(m, { labels: ['a', 'b', 'c', 'unknown'], experimentalLabels: [] })), /no `unknown`/],
    ['path outside', 'INFERENCE_MANIFEST_INVALID', () => edited((m) => Object.assign(m['files']['onnx'], { path: '../good/weights.onnx' })), /expected a path inside/],
    ['weights missing', 'INFERENCE_FILE_MISSING', () => spoilt((f) => rmSync(join(f, 'weights.onnx'))), /weights\.onnx .* does not exist/],
    ['weights truncated', 'INFERENCE_HASH_MISMATCH', () => spoilt((f) => truncateSync(join(f, 'weights.onnx'), 1000)), /has 1000 bytes, the manifest says/],
    ['one bit changed', 'INFERENCE_HASH_MISMATCH', () => spoilt((f) => flipBit(join(f, 'weights.onnx'))), /has SHA-256 .*, the manifest says/],
    ['card changed', 'INFERENCE_HASH_MISMATCH', () => spoilt((f) => flipBit(join(f, 'README.md'))), /README\.md/],
  ])('refuses: %s (%s)', async (_what, code, make, message) => {
    await expect(loadModelPackage(make())).rejects.toMatchObject({ code, message: expect.stringMatching(message), remedy: expect.stringMatching(/\w/) });
  });

  it('refuses a golden that does not fit the manifest', async () => {
    const short = { ...smallContents(), golden: { input: new Float32Array(5) } };
    await expect(writeSmallPackage(join(root, 'short'), short)).rejects.toMatchObject({ code: expect.stringMatching(/BATCH_INVALID|GOLDEN_INVALID/) });
  });

  it('is not written when its weights do not reproduce the golden output of training; nothing is left behind', async () => {
    const { golden } = await loadModelPackage(good);
    const wrong = [golden.probabilities[1]!, golden.probabilities[0]!, golden.probabilities[2]!, golden.probabilities[3]!];
    const attempt = writeSmallPackage(join(root, 'wrong'), { golden: { input: golden.input, probabilities: wrong } });
    await expect(attempt).rejects.toMatchObject({ code: 'INFERENCE_GOLDEN_MISMATCH' });
    expect(readdirSync(root).filter((name) => /wrong|partial/.test(name))).toEqual([]);
  });

  it('replaces an older package only when asked to, and keeps it when the new one fails', async () => {
    const folder = spoilt(() => undefined);
    await expect(writeSmallPackage(folder)).rejects.toMatchObject({ code: 'INFERENCE_PACKAGE_EXISTS' });
    const bad = smallState();
    bad.delete('fc.bias');
    await expect(writeSmallPackage(folder, { state: bad, overwrite: true })).rejects.toMatchObject({ code: 'INFERENCE_WEIGHTS_INVALID' });
    expect((await loadModelPackage(folder)).manifest.files.onnx.sha256).toBe((await loadModelPackage(good)).manifest.files.onnx.sha256);
    const replaced = await writeSmallPackage(folder, { state: smallState(12), overwrite: true });
    expect(replaced.manifest.files.onnx.sha256).not.toBe((await loadModelPackage(good)).manifest.files.onnx.sha256);
    expect(readdirSync(root).filter((name) => /partial|old/.test(name))).toEqual([]);
  });
});

describe('finding a model', () => {
  const models = join(root, 'models');
  beforeAll(() => mkdirSync(models));

  it('says so when there is none, takes the only one, asks when there are several, takes the one named', async () => {
    await expect(defaultModelFolder(undefined, models)).rejects.toMatchObject({ code: 'INFERENCE_MODEL_NOT_FOUND' });
    cpSync(good, join(models, 'one'), { recursive: true });
    mkdirSync(join(models, 'not-a-model'));
    expect(await defaultModelFolder(undefined, models)).toBe(join(models, 'one'));
    cpSync(good, join(models, 'two'), { recursive: true });
    await expect(defaultModelFolder(undefined, models)).rejects.toMatchObject({ code: 'INFERENCE_MODEL_AMBIGUOUS', message: expect.stringContaining('one, two') });
    expect(await defaultModelFolder('two', models)).toBe(join(models, 'two'));
    expect(await defaultModelFolder(good, models)).toBe(good);
    await expect(defaultModelFolder('three', models)).rejects.toMatchObject({ code: 'INFERENCE_MODEL_NOT_FOUND', message: expect.stringContaining('one, two') });
  });
});

function flipBit(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(file, bytes);
}
