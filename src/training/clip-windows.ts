/** The model inputs of a whole clip, hop by hop, as evaluation sees them. */
import { WindowFeatures, type FeatureParams } from '../features/index.js';
import { windowFeaturiser } from './window-featuriser.js';

/** Windows every windowHopFrames over the clip; one tiled window where it is shorter than that. */
export function clipWindows(pcm: Float32Array, params: FeatureParams): Float32Array[] {
  const { spanSamples } = new WindowFeatures(params);
  const featurise = windowFeaturiser(params);
  if (pcm.length < spanSamples) return [featurise(pcm)];
  const hop = params.windowHopFrames * params.mel.hopLength;
  const count = 1 + Math.floor((pcm.length - spanSamples) / hop);
  return Array.from({ length: count }, (_, i) => featurise(pcm.subarray(i * hop, i * hop + spanSamples)));
}
