/** PCM of one window or less → model input, by the same code as the live path. */
import { WindowFeatures, offlineWindows, type FeatureParams } from '../features/index.js';

/** Full windows go straight through; shorter PCM is tiled in the frame domain as at the end of a stream. */
export function windowFeaturiser(params: FeatureParams): (pcm: Float32Array) => Float32Array {
  const features = new WindowFeatures(params);
  return (pcm) => {
    if (pcm.length === features.spanSamples) return features.windowInput(pcm);
    const [window] = offlineWindows(pcm, params);
    return window?.input ?? new Float32Array(features.outputLength);
  };
}
