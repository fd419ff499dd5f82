/** Ranges of a network's activations over calibration windows, for static quantisation. */
import * as ort from 'onnxruntime-node';
import { availableParallelism } from 'node:os';
import { observedOnnx, type ActivationRanges } from './onnx-int8.js';
import type { ExportSource } from './source.js';
import { inputSize } from './types.js';

/** Share of each window's values that may lie outside the range, half at either end: outliers would coarsen all others. */
const OUTSIDE = 1e-4;

/** @param windows model inputs, height × width each; at least one. */
export async function calibrateActivations(source: ExportSource, windows: readonly Float32Array[], onProgress?: (done: number) => void): Promise<ActivationRanges> {
  const { data, names } = observedOnnx(source);
  const session = await ort.InferenceSession.create(data, { intraOpNumThreads: availableParallelism(), logSeverityLevel: 3 });
  const { height, width } = inputSize(source);
  const ranges = new Map<string, { low: number; high: number }>();
  try {
    for (const [index, window] of windows.entries()) {
      const outputs = await session.run({ input: new ort.Tensor('float32', window, [1, 1, height, width]) });
      for (const name of names) widen(ranges, name, rangeOf(outputs[name]!.data as Float32Array));
      onProgress?.(index + 1);
    }
  } finally {
    await session.release();
  }
  return ranges;
}

function widen(ranges: Map<string, { low: number; high: number }>, name: string, { low, high }: { low: number; high: number }): void {
  const before = ranges.get(name) ?? { low: 0, high: 0 };
  ranges.set(name, { low: Math.min(before.low, low), high: Math.max(before.high, high) });
}

function rangeOf(values: Float32Array): { low: number; high: number } {
  const sorted = values.slice().sort();
  const cut = Math.floor((sorted.length * OUTSIDE) / 2);
  return { low: sorted[cut] ?? 0, high: sorted[sorted.length - 1 - cut] ?? 0 };
}
