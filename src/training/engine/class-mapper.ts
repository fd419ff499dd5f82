/** A trained network opened only to be looked into: class-activation maps, with a quarter of a trainer's memory. */
import { BATCH_NORM_EPS, type ResNetSpec } from '../../inference/resnet34.js';
import type { StateDict } from '../../inference/state-dict.js';
import { Kernels } from './kernels.js';
import { Network, type ClassMaps } from './network.js';
import type { TensorFlow } from './tensorflow.js';
import { Variables } from './variables.js';
import { Layout, Weights } from './weights.js';

export type { ClassMaps };

export interface ClassMapper {
  /** @param x n × height × width values. Throws TRAINING_KERNEL_FAILED, TRAINING_OUT_OF_MEMORY. */
  maps(x: Float32Array, dims: readonly [n: number, height: number, width: number]): ClassMaps;
  /** Frees TensorFlow's memory; the mapper is of no use afterwards. */
  dispose(): void;
}

/** @param state weights in torchvision's names, all of the network's. */
export function openClassMapper(tf: TensorFlow, spec: ResNetSpec, state: StateDict): ClassMapper {
  const layout = new Layout(spec);
  const kernels = new Kernels(tf, BATCH_NORM_EPS);
  const network = new Network(kernels, layout, spec);
  const weights = new Weights(layout);
  const { missing, mismatched } = weights.load(state);
  if (missing.length + mismatched.length > 0) throw new Error(`weights of another network: ${[...missing, ...mismatched].slice(0, 3).join(', ')}`);
  const variables = new Variables(kernels, layout, weights.values);
  const source = { read: (name: string) => variables.read(name), statistic: (name: string) => weights.of(name) };
  return {
    maps: (x, dims) => {
      try {
        return network.classMaps(x, dims, source);
      } finally {
        kernels.sweep();
      }
    },
    dispose: () => {
      variables.dispose();
      kernels.dispose();
    },
  };
}
