/** The check at boot: an engine must reproduce the package's golden output, or it may not serve. */
import { inferenceError } from './inference-error.js';
import type { ModelPackage } from './model-package.js';
import type { Engine } from './types.js';

/**
 * Runs the golden input on a loaded engine.
 * @returns the largest absolute difference in probability.
 * @throws StageError INFERENCE_GOLDEN_MISMATCH when it exceeds the package's tolerance or is not a number.
 */
export async function checkGolden(engine: Engine, { golden, manifest, folder }: ModelPackage): Promise<number> {
  const probabilities = await engine.run(Float32Array.from(golden.input), 1);
  const differences = golden.probabilities.map((expected, i) => Math.abs(expected - probabilities[i]!));
  const worst = differences.indexOf(Math.max(...differences));
  const largest = differences[worst] ?? NaN;
  if (largest <= golden.tolerance) return largest;
  const at = differences.findIndex(Number.isNaN) >= 0 ? differences.findIndex(Number.isNaN) : worst;
  throw inferenceError(
    'INFERENCE_GOLDEN_MISMATCH',
    `${engine.info.engine} on ${engine.info.device} gives ${probabilities[at]} for \`${manifest.labels[at]}\` of the golden input of ${folder}, expected ${golden.probabilities[at]} ± ${golden.tolerance}`,
    'Do not use this engine with this model: try another one (`--engine onnx`), or export the package again.',
  );
}
