/** What a loaded TensorFlow runs on, as it says of itself. */

export interface TensorFlowDevice {
  /** Of TensorFlow itself; `unknown` where the back end does not tell. */
  version: string;
  gpu: boolean;
}

/** tfjs-node's back end, as far as it tells what it is. */
interface NodeBackend {
  binding?: { TF_Version?: string };
  isUsingGpuDevice?: boolean;
}

export function tensorFlowDevice(tf: { backend(): unknown }): TensorFlowDevice {
  const { binding, isUsingGpuDevice } = tf.backend() as NodeBackend;
  return { version: binding?.TF_Version ?? 'unknown', gpu: isUsingGpuDevice === true };
}
