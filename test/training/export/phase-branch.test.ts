/** A network with a phase branch in every export format. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../../src/inference/safetensors.js';
import { tensorFlowStatus } from '../../../src/training/engine/tensorflow.js';
import { calibrateActivations } from '../../../src/training/export/calibrate-activations.js';
import { runExport } from '../../../src/training/export/export.js';
import { onnxInt8Export } from '../../../src/training/export/onnx-int8.js';
import { openRunner } from '../../../src/training/export/runners.js';
import { readSource, type ExportSource } from '../../../src/training/export/source.js';
import type { ExportFormat } from '../../../src/training/export/types.js';
import { naiveForward } from '../../inference/naive-resnet.js';
import { inputs, SMALL_PHASE, smallPhaseState } from '../../inference/small-model.js';
import { writeSmallPackage } from '../../inference/test-package.js';

const root = mkdtempSync(join(tmpdir(), 'export-phase-'));
const model = join(root, 'model');
const run = join(root, 'run');
const { height, width, spec } = SMALL_PHASE;
const windows = [1, 2, 3].map((seed) => inputs(1, seed));
let source: ExportSource;

beforeAll(async () => {
  const { manifest } = await writeSmallPackage(model, { weights: 'fp32', state: smallPhaseState() });
  mkdirSync(join(run, 'final'), { recursive: true });
  await writeSafetensors(join(run, 'final', 'weights.safetensors'), smallPhaseState());
  writeFileSync(join(run, 'run.json'), JSON.stringify({ features: manifest.features }));
  source = await readSource(model);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Largest difference in logits to the formula, batch norm unfolded. */
async function difference(format: ExportFormat, target: string | Uint8Array, from = source): Promise<number> {
  const runner = await openRunner(format, target, from);
  let largest = 0;
  for (const window of windows) {
    const expected = naiveForward(smallPhaseState(), spec, window, height, width);
    (await runner.run(window)).forEach((value, i) => (largest = Math.max(largest, Math.abs(value - expected[i]!))));
  }
  await runner.close();
  return largest;
}

describe('a phase branch, exported', () => {
  it('as ONNX gives what its formula gives, from a package and from a run', async () => {
    const formats = ['onnx-fp32', 'onnx-fp16'] as const;
    for (const from of [model, run]) {
      const output = join(root, `onnx-${from === run}`);
      await runExport({ model: from, output, formats });
      expect(await difference('onnx-fp32', join(output, 'model-fp32.onnx'))).toBeLessThan(1e-4);
      expect(await difference('onnx-fp16', join(output, 'model-fp16.onnx'))).toBeLessThan(1e-2);
    }
  });

  it('as int8 ONNX, weight-only and static, stays near', async () => {
    const weightOnly = await difference('onnx-int8', onnxInt8Export(source, null).files[0]!.data as Uint8Array);
    const fixed = await difference('onnx-int8', onnxInt8Export(source, await calibrateActivations(source, windows)).files[0]!.data as Uint8Array);
    expect(weightOnly).toBeGreaterThan(1e-6);
    expect(weightOnly).toBeLessThan(0.05);
    expect(fixed).toBeLessThan(0.2);
  });

  it.skipIf(!tensorFlowStatus().installed)('as LayersModel and SavedModel, loaded by TensorFlow, gives what its formula gives (skipped where TensorFlow is not installed)', async () => {
    const fromRun = await readSource(run);
    for (const [from, as] of [[model, source], [run, fromRun]] as const) {
      const output = join(root, `tensorflow-${from === run}`);
      await runExport({ model: from, output, formats: ['layers-model', 'saved-model'] });
      expect(await difference('layers-model', join(output, 'layers-model'), as)).toBeLessThan(1e-4);
      expect(await difference('saved-model', join(output, 'saved-model'), as)).toBeLessThan(1e-4);
    }
  });
});
