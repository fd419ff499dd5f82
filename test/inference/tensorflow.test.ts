import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtModule, cacheDir } from '../../src/common/paths.js';
import { EngineWorker } from '../../src/inference/engine-worker-proxy.js';
import { inputs } from './small-model.js';
import { writeSmallPackage } from './test-package.js';

const installed = join(cacheDir(), 'tensorflow', 'node_modules', '@tensorflow', 'tfjs-node', 'lib', 'napi-v8', 'tfjs_binding.node');
const root = mkdtempSync(join(tmpdir(), 'tensorflow-'));
const folder = join(root, 'good');
beforeAll(() => writeSmallPackage(folder));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe.skipIf(!existsSync(installed))('TensorFlow engine (skipped unless `npm run setup:tensorflow` has been run)', () => {
  it('gives what ONNX Runtime gives', async () => {
    const results: Float32Array[] = [];
    for (const engine of ['tensorflow', 'onnx'] as const) {
      const worker = new EngineWorker({ folder, engine, threads: 1, tensorFlowLoader: builtModule('training/engine/tensorflow') });
      const { info, goldenDifference } = await worker.start();
      expect(info).toMatchObject({ engine, version: expect.stringMatching(/ \d+\.\d+/) });
      expect(goldenDifference).toBeLessThan(1e-4);
      results.push((await worker.run(inputs(3, 4), 3)).probabilities);
      await expect(worker.run(new Float32Array(3), 1)).rejects.toMatchObject({ code: 'INFERENCE_BATCH_INVALID' });
      await worker.close();
    }
    expect(results[0]!.length).toBe(12);
    results[0]!.forEach((p, i) => expect(Math.abs(p - results[1]![i]!)).toBeLessThan(1e-4));
  });
});

describe('TensorFlow engine without TensorFlow', () => {
  it.each([undefined, '/no/such/module.js'])('says what to do (loader %s)', async (tensorFlowLoader) => {
    const worker = new EngineWorker({ folder, engine: 'tensorflow', ...(tensorFlowLoader === undefined ? {} : { tensorFlowLoader }) });
    await expect(worker.start()).rejects.toMatchObject({ code: 'INFERENCE_ENGINE_UNAVAILABLE', remedy: expect.stringMatching(/engine onnx/) });
  });
});
