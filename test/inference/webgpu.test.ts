import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtModule } from '../../src/common/paths.js';
import type { Manifest } from '../../src/inference/manifest.js';
import { encodeOnnx, OnnxType } from '../../src/inference/onnx-proto.js';
import { packFloat32 } from '../../src/inference/safetensors.js';
import { inputs, loud, SMALL, smallPhaseState, smallState } from './small-model.js';
import { writeSmallPackage } from './test-package.js';

/** Debian's chromium brings a Vulkan loader and SwiftShader, a Vulkan device in software: WebGPU without a GPU. */
const CHROMIUM = '/usr/lib/chromium';
const driver = join(CHROMIUM, 'vk_swiftshader_icd.json');
const child = join(dirname(fileURLToPath(import.meta.url)), 'fixtures', 'webgpu-child.mjs');

interface Outcome {
  info: { engine: string; device: string };
  goldenDifference: number;
  probabilities: number[];
  code?: string;
  message?: string;
}

describe.skipIf(!existsSync(driver))(`WebGPU on SwiftShader (skipped without Debian's chromium: ${driver})`, { timeout: 120_000 }, () => {
  const root = mkdtempSync(join(tmpdir(), 'webgpu-'));
  const folder = join(root, 'good');
  const batchFile = join(root, 'batch.json');
  beforeAll(async () => {
    await writeSmallPackage(folder);
    writeFileSync(batchFile, JSON.stringify([...inputs(3, 4)]));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  async function run(folder: string, env: NodeJS.ProcessEnv): Promise<Record<'webgpu' | 'onnx', Outcome>> {
    const dist = dirname(dirname(builtModule('inference/select-engine')));
    const { stdout } = await promisify(execFile)(process.execPath, [child, dist, folder, batchFile, '3'], { env: { ...process.env, XDG_RUNTIME_DIR: root, LD_LIBRARY_PATH: CHROMIUM, ...env } });
    return JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<'webgpu' | 'onnx', Outcome>;
  }

  it.each([
    ['a ResNet', smallState()],
    ['a ResNet with a phase branch, its frame logits large', loud(smallPhaseState())],
  ])('gives of %s what the CPU gives, and names the driver that ran', async (_, state) => {
    await writeSmallPackage(folder, { state, overwrite: true });
    const { webgpu, onnx } = await run(folder, { VK_DRIVER_FILES: driver });
    expect(webgpu.message).toBeUndefined();
    expect(webgpu.info).toMatchObject({ engine: 'webgpu', device: 'webgpu (SwiftShader, software)' });
    expect(webgpu.goldenDifference).toBeLessThan(1e-4);
    expect(webgpu.probabilities.length).toBe(12);
    webgpu.probabilities.forEach((p, i) => expect(Math.abs(p - onnx.probabilities[i]!)).toBeLessThan(1e-4));
  });

  it('says so when there is no device, and the CPU still serves', async () => {
    const { webgpu, onnx } = await run(folder, { VK_DRIVER_FILES: join(root, 'no-driver.json') });
    expect(webgpu).toMatchObject({ code: 'INFERENCE_ENGINE_UNAVAILABLE' });
    expect(onnx.info.device).toBe('cpu');
  });

  it('refuses a model of which a part would run on the CPU', async () => {
    const { webgpu, onnx } = await run(withCpuOnlyNode(), { VK_DRIVER_FILES: driver });
    expect(webgpu).toMatchObject({ code: 'INFERENCE_DEVICE_FELL_BACK' });
    expect(onnx.message).toBeUndefined();
  });

  /** A package whose model holds Hardmax, which ONNX Runtime has for the CPU only. */
  function withCpuOnlyNode(): string {
    const copy = join(root, 'cpu-only');
    cpSync(folder, copy, { recursive: true });
    const bytes = encodeOnnx({
      irVersion: 8, opset: 17, producerName: 'test', producerVersion: '1', graphName: 'cpu-only',
      nodes: [
        { name: 'flatten', opType: 'Flatten', inputs: ['input'], outputs: ['flat'], attributes: { axis: 1 } },
        { name: 'hardmax', opType: 'Hardmax', inputs: ['flat'], outputs: ['hard'], attributes: { axis: 1 } },
        { name: 'gemm', opType: 'MatMul', inputs: ['hard', 'weights'], outputs: ['logits'], attributes: {} },
      ],
      initializers: [{ name: 'weights', dims: [SMALL.height * SMALL.width, 4], type: OnnxType.float32, rawData: packFloat32(new Float32Array(SMALL.height * SMALL.width * 4)) }],
      inputs: [{ name: 'input', dims: ['N', 1, SMALL.height, SMALL.width] }],
      outputs: [{ name: 'logits', dims: ['N', 4] }],
    });
    replace(copy, 'weights.onnx', bytes);
    const golden = JSON.parse(readFileSync(join(copy, 'golden.json'), 'utf8')) as object;
    replace(copy, 'golden.json', Buffer.from(JSON.stringify({ ...golden, probabilities: [0.25, 0.25, 0.25, 0.25] })));
    return copy;
  }
});

function replace(folder: string, path: string, bytes: Uint8Array): void {
  writeFileSync(join(folder, path), bytes);
  const file = join(folder, 'manifest.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  for (const entry of Object.values(manifest.files)) if (entry.path === path) Object.assign(entry, { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
  writeFileSync(file, JSON.stringify(manifest));
}
