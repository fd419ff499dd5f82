/** ONNX with fp32 or fp16 weights; the arithmetic is float32 either way. */
import { writeFoldedOnnx } from '../../inference/onnx-writer.js';
import type { ExportSource } from './source.js';
import { inputSize, type Written } from './types.js';

/** [N, 1, height, width] float32 `input`, [N, labels] float32 `logits`. Throws INFERENCE_WEIGHTS_INVALID. */
export function onnxExport(source: ExportSource, weights: 'fp32' | 'fp16'): Written {
  const data = writeFoldedOnnx(source.folded, source.spec, { ...inputSize(source), weights });
  return { files: [{ path: '', data }], description: `ONNX opset 17, ${weights} weights, float32 arithmetic` };
}
