/** Named tensors: the weights of a network, as they travel between training, files and engines. */
import { inferenceError } from './inference-error.js';

/** A dense float tensor, row-major. Convolution weights are OIHW, as in PyTorch. */
export interface Tensor {
  shape: number[];
  data: Float32Array;
}

/** Tensors by name; insertion order is the order of the file. */
export type StateDict = Map<string, Tensor>;

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * The tensor of that name and shape, all values finite.
 * @throws StageError INFERENCE_WEIGHTS_INVALID naming the tensor, what was found and what was expected.
 */
export function requireTensor(state: StateDict, name: string, shape: readonly number[]): Tensor {
  const tensor = state.get(name);
  if (tensor === undefined) throw weightsError(`the weights hold no tensor ${name} (expected shape [${shape.join(', ')}])`);
  const sameShape = tensor.shape.length === shape.length && shape.every((size, axis) => tensor.shape[axis] === size);
  if (!sameShape) throw weightsError(`${name} has shape [${tensor.shape.join(', ')}], expected [${shape.join(', ')}]`);
  if (tensor.data.length !== elementCount(shape)) {
    throw weightsError(`${name} holds ${tensor.data.length} values, its shape [${shape.join(', ')}] needs ${elementCount(shape)}`);
  }
  const bad = tensor.data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw weightsError(`${name} holds ${tensor.data[bad]} at index ${bad}, all values must be finite`);
  return tensor;
}

function weightsError(message: string) {
  return inferenceError('INFERENCE_WEIGHTS_INVALID', message, 'Export the weights again from a training run that finished, with the same architecture.');
}
