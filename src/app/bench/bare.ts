/** The named peer of the pipeline benchmarks: ONNX Runtime's own `run` on the same weights, alone on this thread. */
import { availableParallelism } from 'node:os';
import * as ort from 'onnxruntime-node';
import type { ModelPackage } from '../../inference/model-package.js';

export interface BareRuntime {
  /** Runs batches of `count` for about `seconds`; returns the time of each run in ms. */
  run(count: number, seconds: number): Promise<number[]>;
  threads: number;
  close(): Promise<void>;
}

export async function bareRuntime(model: ModelPackage): Promise<BareRuntime> {
  const threads = availableParallelism();
  // The same session options as the engine's, or the ratio would compare two settings of one library.
  const session = await ort.InferenceSession.create(model.onnxFile, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
  const { input, features } = model.manifest;
  const { nMels } = features.mel;
  const inputOf = (count: number) => {
    const values = Float32Array.from({ length: count * nMels * features.windowFrames }, (_, i) => Math.sin(i));
    return { [input.name]: new ort.Tensor('float32', values, [count, input.channels, nMels, features.windowFrames]) };
  };
  return {
    threads,
    async run(count, seconds) {
      const feeds = inputOf(count);
      const times: number[] = [];
      const end = performance.now() + 1000 * seconds;
      while (performance.now() < end) {
        const from = performance.now();
        await session.run(feeds);
        times.push(performance.now() - from);
      }
      return times;
    },
    close: () => session.release(),
  };
}
