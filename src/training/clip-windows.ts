/** The model inputs of a whole clip, hop by hop, exactly as a live stream of it would give them. */
import { offlineWindows, type FeatureParams } from '../features/index.js';

/** Windows every windowHopFrames over the clip; one tiled window where it is shorter than that. */
export function clipWindows(pcm: Float32Array, params: FeatureParams): Float32Array[] {
  return Array.from(offlineWindows(pcm, params), (window) => window.input);
}
