/**
 * Uniform average of the weights of several fine-tunings that start from the same pre-training: "Model soups" (Wortsman
 * et al. 2022). One network that is often as good as the ensemble of its members, at the cost of one.
 */
import type { StateDict, Tensor } from '../inference/state-dict.js';

/**
 * Mean of each tensor over the members, parameters and running statistics of batch norm alike.
 * @param without tensors whose names start so are left out.
 */
export function averageWeights(members: readonly StateDict[], { without }: { without?: string } = {}): StateDict {
  const [first] = members;
  if (!first) throw new Error('no weights to average');
  const names = [...first.keys()].filter((name) => without === undefined || !name.startsWith(without));
  return new Map(names.map((name) => [name, average(name, members.map((member) => member.get(name)))]));
}

function average(name: string, tensors: readonly (Tensor | undefined)[]): Tensor {
  const { shape, data: { length } } = tensors[0] as Tensor;
  const sum = new Float64Array(length);
  for (const tensor of tensors) {
    if (!tensor || tensor.shape.join() !== shape.join()) throw new Error(`the members differ in ${name}`);
    for (let i = 0; i < length; i++) sum[i]! += tensor.data[i]!;
  }
  return { shape: [...shape], data: Float32Array.from(sum, (x) => x / tensors.length) };
}
