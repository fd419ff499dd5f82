/** Reads the folded weights back out of a package's ONNX file, for engines that do not run ONNX themselves. */
import { fromFloat16 } from './float16.js';
import { inferenceError } from './inference-error.js';
import { decodeInitializers, OnnxType, type OnnxTensor } from './onnx-proto.js';
import { elementCount, type StateDict } from './state-dict.js';

/**
 * @param bytes an ONNX file written by `writeResNetOnnx`.
 * @returns `<conv>.weight`, `<conv>.bias`, `fc.weight`, `fc.bias` and those of a phase branch as float32; shapes and
 * bounds of its nodes (int64) are no weights.
 * @throws StageError INFERENCE_MODEL_UNLOADABLE when the bytes are damaged or hold other types.
 */
export function readOnnxWeights(bytes: Uint8Array): StateDict {
  let tensors: OnnxTensor[];
  try {
    tensors = decodeInitializers(bytes);
  } catch (cause) {
    throw unloadable(`the ONNX file is damaged: ${(cause as Error).message}`, cause);
  }
  tensors = tensors.filter(({ type }) => type !== OnnxType.int64);
  if (tensors.length === 0) throw unloadable('the ONNX file holds no weights');
  return new Map(tensors.map((tensor) => [tensor.name, { shape: tensor.dims, data: values(tensor) }]));
}

function values({ name, dims, type, rawData }: OnnxTensor): Float32Array {
  const width = type === OnnxType.float32 ? 4 : type === OnnxType.float16 ? 2 : undefined;
  if (width === undefined) throw unloadable(`${name} has ONNX data type ${type}, readable are 1 (float32) and 10 (float16)`);
  const count = elementCount(dims);
  if (rawData.length !== count * width) throw unloadable(`${name} holds ${rawData.length} bytes, its shape [${dims.join(', ')}] needs ${count * width}`);
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  return Float32Array.from({ length: count }, (_, i) => (width === 4 ? view.getFloat32(4 * i, true) : fromFloat16(view.getUint16(2 * i, true))));
}

function unloadable(message: string, cause?: unknown) {
  return inferenceError('INFERENCE_MODEL_UNLOADABLE', message, 'Fetch or export the model package again.', { cause });
}
