/**
 * The ONNX Runtime engine: CPU, or one of its GPU providers (WebGPU, CUDA). A GPU session is refused where any node
 * would run on the CPU, so what `info` says is what ran.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { calibratedSoftmax } from '../calibrate.js';
import { inferenceError } from '../inference-error.js';
import type { Manifest } from '../manifest.js';
import type { ModelPackage } from '../model-package.js';
import type { Engine, EngineInfo } from '../types.js';

export type OnnxProvider = 'cpu' | 'webgpu' | 'cuda';

export interface OnnxEngineOptions {
  /** Default `cpu`. */
  provider?: OnnxProvider;
  /** Threads inside one run; 0 or absent: one for each core this process may use. */
  threads?: number;
  /**
   * Whether idle threads of the pool spin for more work. Off by default: it gains a few per cent at batch 1 and keeps
   * the cores busy between the windows of a live stream.
   */
  spinning?: boolean;
}

interface Loaded {
  session: ort.InferenceSession;
  manifest: Manifest;
  info: EngineInfo;
}

export class OnnxEngine implements Engine {
  private readonly provider: OnnxProvider;
  private readonly threads: number;
  private readonly spinning: boolean;
  private loaded: Loaded | undefined;

  constructor({ provider = 'cpu', threads = 0, spinning = false }: OnnxEngineOptions = {}) {
    this.provider = provider;
    this.threads = threads === 0 ? availableParallelism() : threads;
    this.spinning = spinning;
  }

  get info(): EngineInfo {
    return this.require().info;
  }

  /**
   * @throws StageError INFERENCE_MODEL_UNLOADABLE, INFERENCE_MODEL_MISMATCH, INFERENCE_ENGINE_UNAVAILABLE (no such
   * device here) or INFERENCE_DEVICE_FELL_BACK (the device cannot run all of the model).
   */
  async load(model: ModelPackage): Promise<void> {
    await this.close();
    const session = await this.createSession(model.onnxFile);
    try {
      checkInterface(session, model.manifest, model.onnxFile);
    } catch (error) {
      await session.release();
      throw error;
    }
    this.loaded = { session, manifest: model.manifest, info: this.describe() };
  }

  /** @throws StageError INFERENCE_ENGINE_NOT_LOADED, INFERENCE_BATCH_INVALID or INFERENCE_RUN_FAILED. */
  async run(batch: Float32Array, count: number): Promise<Float32Array> {
    const { session, manifest } = this.require();
    const { nMels } = manifest.features.mel;
    const { windowFrames } = manifest.features;
    const needed = count * nMels * windowFrames;
    if (!Number.isInteger(count) || count < 1 || batch.length !== needed) {
      throw inferenceError('INFERENCE_BATCH_INVALID', `a batch of ${count} windows holds ${batch.length} values, expected ${needed} = count × ${nMels} × ${windowFrames}`, 'Build windows with the features of this model\'s manifest.');
    }
    const feeds = { [manifest.input.name]: new ort.Tensor('float32', batch, [count, manifest.input.channels, nMels, windowFrames]) };
    let outputs: ort.InferenceSession.ReturnType;
    try {
      outputs = await session.run(feeds);
    } catch (cause) {
      throw inferenceError('INFERENCE_RUN_FAILED', `ONNX Runtime failed on a batch of ${count}: ${(cause as Error).message}`, 'Free memory or choose a smaller maxBatchSize; if it persists, try another engine.', { retryable: true, cause });
    }
    return calibratedSoftmax(outputs[manifest.output.name]!.data as Float32Array, manifest.labels.length, manifest.output.temperature);
  }

  async close(): Promise<void> {
    const session = this.loaded?.session;
    this.loaded = undefined;
    await session?.release();
  }

  private async createSession(file: string): Promise<ort.InferenceSession> {
    if (this.provider === 'cuda' && !cudaInstalled()) {
      throw unavailable('cuda', 'onnxruntime-node was installed without its CUDA libraries', undefined);
    }
    const spin = this.spinning ? '1' : '0';
    try {
      return await ort.InferenceSession.create(file, {
        executionProviders: [this.provider],
        intraOpNumThreads: this.threads,
        interOpNumThreads: 1,
        graphOptimizationLevel: 'all',
        logSeverityLevel: 3,
        extra: {
          session: {
            intra_op: { allow_spinning: spin },
            inter_op: { allow_spinning: spin },
            // Otherwise nodes that a GPU provider cannot run land on the CPU without a word.
            ...(this.provider === 'cpu' ? {} : { disable_cpu_ep_fallback: '1' }),
          },
        },
      });
    } catch (cause) {
      throw sessionError(this.provider, file, cause);
    }
  }

  private describe(): EngineInfo {
    const onGpu = this.provider !== 'cpu';
    return {
      engine: this.provider === 'webgpu' ? 'webgpu' : 'onnx',
      version: `onnxruntime ${ort.env.versions.node ?? ort.env.versions.common}`,
      device: this.provider === 'webgpu' ? webgpuDevice() : this.provider,
      threads: onGpu ? 1 : this.threads,
    };
  }

  private require(): Loaded {
    if (this.loaded === undefined) throw inferenceError('INFERENCE_ENGINE_NOT_LOADED', 'the ONNX engine has no model loaded', 'Call load() first.');
    return this.loaded;
  }
}

function sessionError(provider: OnnxProvider, file: string, cause: unknown) {
  const text = (cause as Error).message.trim();
  if (!existsSync(file)) return inferenceError('INFERENCE_FILE_MISSING', `${file} does not exist`, 'Fetch or export the model package again.', { cause });
  if (provider !== 'cpu' && /fallback to CPU EP/i.test(text)) {
    return inferenceError('INFERENCE_DEVICE_FELL_BACK', `${provider} cannot run all of ${file}: ${text}`, 'Use `--engine onnx`, or a newer ONNX Runtime.', { cause });
  }
  if (provider !== 'cpu' && !/protobuf|ModelProto|Invalid model|INVALID_GRAPH/i.test(text)) {
return unavailable(provider, text, cause);
  }
  return inferenceError('INFERENCE_MODEL_UNLOADABLE', `ONNX Runtime cannot load ${file}: ${text}`, 'Fetch or export the model package again.', { cause });
}

function unavailable(provider: OnnxProvider, reason: string, cause: unknown) {
  const remedy = provider === 'webgpu' ? "Install a Vulkan loader and your GPU's driver (Debian: libvulkan1 and mesa-vulkan-drivers or nvidia-vulkan-icd), or use `--engine onnx`." : 'On Linux x64 with CUDA 12 and cuDNN 9, run `npm rebuild onnxruntime-node --onnxruntime-node-install=cuda12`; or use `--engine onnx`.';
  return inferenceError('INFERENCE_ENGINE_UNAVAILABLE', `ONNX Runtime has no ${provider} device here: ${reason}`, remedy, { cause });
}

/** Asked before ONNX Runtime tries, which prints an error of its own. */
function cudaInstalled(): boolean {
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  return existsSync(join(root, 'bin', 'napi-v6', process.platform, process.arch, 'libonnxruntime_providers_cuda.so'));
}

/** The file's input and output must be what the manifest says, before the first window arrives. */
function checkInterface(session: ort.InferenceSession, manifest: Manifest, file: string): void {
  const { input, output, features, labels } = manifest;
  const expected = { [input.name]: [input.channels, features.mel.nMels, features.windowFrames], [output.name]: [labels.length] };
  for (const [name, sizes] of Object.entries(expected)) {
    const found = [...session.inputMetadata, ...session.outputMetadata].find((value) => value.name === name);
    const shape = found?.isTensor ? found.shape : undefined;
    const fits = shape?.length === sizes.length + 1 && sizes.every((size, i) => shape[i + 1] === size) && typeof shape[0] !== 'number';
    if (!fits) {
      throw inferenceError('INFERENCE_MODEL_MISMATCH', `${name} of ${file} is ${shape ? `[${shape.join(', ')}]` : 'missing'}, the manifest asks for [N, ${sizes.join(', ')}] with a free N`, 'Manifest and weights belong to different models: export the package again.');
    }
  }
}

/** Vulkan drivers by their library, the ones that are no hardware marked. */
const VULKAN_DRIVERS: [pattern: RegExp, name: string][] = [
  [/libvk_swiftshader/, 'SwiftShader, software'],
  [/libvulkan_lvp/, 'llvmpipe, software'],
  [/libGLX_nvidia|libnvidia-glcore/, 'NVIDIA'],
  [/libvulkan_radeon|amdvlk/, 'AMD'],
  [/libvulkan_intel/, 'Intel'],
];

/** WebGPU's device as far as the system tells: on Linux, the Vulkan drivers really mapped into this process. */
function webgpuDevice(): string {
  if (process.platform !== 'linux') return 'webgpu';
  const maps = readFileSync('/proc/self/maps', 'utf8');
  const names = VULKAN_DRIVERS.filter(([pattern]) => pattern.test(maps)).map(([, name]) => name);
  return names.length === 0 ? 'webgpu' : `webgpu (${names.join(' or ')})`;
}
