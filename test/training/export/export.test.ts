import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../../src/inference/safetensors.js';
import { tensorFlowStatus } from '../../../src/training/engine/tensorflow.js';
import { calibrateActivations } from '../../../src/training/export/calibrate-activations.js';
import { runExport } from '../../../src/training/export/export.js';
import { onnxInt8Export, uint8Scale } from '../../../src/training/export/onnx-int8.js';
import { openRunner } from '../../../src/training/export/runners.js';
import { readSource, type ExportSource } from '../../../src/training/export/source.js';
import type { ExportFormat } from '../../../src/training/export/types.js';
import { naiveForward } from '../../inference/naive-resnet.js';
import { inputs, SMALL, smallState } from '../../inference/small-model.js';
import { writeSmallPackage } from '../../inference/test-package.js';

const root = mkdtempSync(join(tmpdir(), 'export-'));
const model = join(root, 'model');
const run = join(root, 'run');
const { height, width, spec } = SMALL;
let source: ExportSource;

beforeAll(async () => {
  const { manifest } = await writeSmallPackage(model, { weights: 'fp32' });
  mkdirSync(join(run, 'final'), { recursive: true });
  await writeSafetensors(join(run, 'final', 'weights.safetensors'), smallState());
  writeFileSync(join(run, 'run.json'), JSON.stringify({ features: manifest.features }));
  source = await readSource(model);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const windows = [1, 2, 3].map((seed) => inputs(1, seed));

/** Largest difference in logits to the naive forward pass, batch norm unfolded. */
async function difference(format: ExportFormat, target: string | Uint8Array): Promise<number> {
  const runner = await openRunner(format, target, source);
  let largest = 0;
  for (const window of windows) {
    const expected = naiveForward(smallState(), spec, window, height, width);
    (await runner.run(window)).forEach((value, i) => (largest = Math.max(largest, Math.abs(value - expected[i]!))));
  }
  await runner.close();
  return largest;
}

describe('export to ONNX', () => {
  const output = join(root, 'onnx');

  it('fp32 and fp16 give what the naive forward pass gives, from a package and from a run', async () => {
    const formats = ['onnx-fp32', 'onnx-fp16'] as const;
    const fromPackage = await runExport({ model, output, formats });
    await runExport({ model: run, output: join(root, 'from-run'), formats });
    expect(await difference('onnx-fp32', join(output, 'model-fp32.onnx'))).toBeLessThan(1e-4);
    expect(await difference('onnx-fp16', join(output, 'model-fp16.onnx'))).toBeLessThan(1e-2);
    expect(readFileSync(join(root, 'from-run', 'model-fp32.onnx')).equals(readFileSync(join(output, 'model-fp32.onnx')))).toBe(true);
    for (const { path, bytes, largestDifference } of fromPackage.formats) {
      expect(statSync(path).size).toBe(bytes);
      expect(largestDifference).toBeLessThan(1e-3);
    }
    expect(JSON.parse(readFileSync(join(output, 'export.json'), 'utf8'))).toMatchObject({ temperature: 1.5, labels: ['normal', 'murmur', 'extrasystole', 'artifact'], input: { onnx: [null, 1, height, width] } });
    expect(readdirSync(output).toSorted()).toEqual(['export.json', 'model-fp16.onnx', 'model-fp32.onnx']);
  });

  it('int8, weight-only and static, stays near and is not the same', async () => {
    const weightOnly = await difference('onnx-int8', onnxInt8Export(source, null).files[0]!.data as Uint8Array);
    const ranges = await calibrateActivations(source, windows);
    const fixed = await difference('onnx-int8', onnxInt8Export(source, ranges).files[0]!.data as Uint8Array);
    expect(weightOnly).toBeGreaterThan(1e-5);
    expect(weightOnly).toBeLessThan(0.05);
    expect(fixed).toBeGreaterThan(1e-5);
    expect(fixed).toBeLessThan(0.2);
    expect(fixed).not.toBe(weightOnly);
  });

  it('holds zero exactly at any range', () => {
    for (const range of [{ low: 0, high: 5 }, { low: -3, high: 1 }, { low: 2, high: 9 }, { low: 0, high: 0 }, { low: -4, high: -1 }]) {
      const { scale, zeroPoint } = uint8Scale(range);
      expect(Number.isInteger(zeroPoint) && zeroPoint >= 0 && zeroPoint <= 255 && scale > 0).toBe(true);
      expect((255 - zeroPoint) * scale).toBeGreaterThanOrEqual(range.high - scale);
      expect(-zeroPoint * scale).toBeLessThanOrEqual(range.low + scale);
    }
  });
});

describe.skipIf(!tensorFlowStatus().installed)('export to TensorFlow (skipped unless `npm run setup:tensorflow` has been run)', () => {
  it('LayersModel and SavedModel, loaded by TensorFlow, give what the naive forward pass gives', async () => {
    const output = join(root, 'tensorflow');
    const { formats } = await runExport({ model, output, formats: ['layers-model', 'saved-model'] });
    expect(await difference('layers-model', join(output, 'layers-model'))).toBeLessThan(1e-4);
    expect(await difference('saved-model', join(output, 'saved-model'))).toBeLessThan(1e-4);
    for (const { largestDifference } of formats) expect(largestDifference).toBeLessThan(1e-5);
  });
});

describe('export refuses', () => {
  it('what is no model', async () => {
    for (const path of [join(root, 'nowhere'), root]) await expect(runExport({ model: path, output: join(root, 'x') })).rejects.toMatchObject({ code: 'TRAINING_EXPORT_SOURCE' });
    expect(existsSync(join(root, 'x'))).toBe(false);
  });

  it('damaged weights', async () => {
    const file = join(root, 'broken.safetensors');
    writeFileSync(file, 'no weights');
    await expect(runExport({ model: file, output: join(root, 'x') })).rejects.toMatchObject({ code: 'INFERENCE_SAFETENSORS_INVALID' });
  });

  it('to overwrite, unless forced', async () => {
    const output = join(root, 'twice');
    mkdirSync(output);
    const file = join(output, 'model-fp32.onnx');
    writeFileSync(file, 'mine');
    const options = { model, output, formats: ['onnx-fp32'] } as const;
    await expect(runExport(options)).rejects.toMatchObject({ code: 'TRAINING_EXPORT_EXISTS' });
    expect(readFileSync(file, 'utf8')).toBe('mine');
    await runExport({ ...options, force: true });
    expect(statSync(file).size).toBeGreaterThan(1000);
  });

  it('an output that is a file', async () => {
    const output = join(root, 'file');
    writeFileSync(output, '');
    await expect(runExport({ model, output, formats: ['onnx-fp32'] })).rejects.toMatchObject({ code: 'TRAINING_EXPORT_UNWRITABLE' });
  });

  it('to evaluate what is no package', async () => {
    await expect(runExport({ model: run, output: join(root, 'y'), evaluate: root })).rejects.toMatchObject({ code: 'TRAINING_OPTION_INVALID' });
  });
});
