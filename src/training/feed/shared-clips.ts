/**
 * Clips in a form that goes to worker threads without a copy for each: their PCM lies in shared memory.
 *
 * loadAudio's is there already; what is not is copied, once, into one piece for all.
 */
import type { Clip } from '../sampler.js';

/** The same clips with PCM in shared memory, to which nobody may write: structured clone copies all but that. */
export function shareClips(clips: readonly Clip[]): Clip[] {
  const own = clips.filter(({ pcm }) => !isShared(pcm));
  const memory = new Float32Array(sharedFloats(own.reduce((sum, { pcm }) => sum + pcm.length, 0)));
  let start = 0;
  return clips.map((clip) => {
    if (isShared(clip.pcm)) return clip;
    const pcm = memory.subarray(start, (start += clip.pcm.length));
    pcm.set(clip.pcm);
    return { ...clip, pcm };
  });
}

/** A view of the array's values in shared memory: a copy, unless they are there. */
export function toShared(values: Float32Array): Float32Array {
  if (isShared(values)) return values;
  const shared = new Float32Array(sharedFloats(values.length));
  shared.set(values);
  return shared;
}

/** Shared memory for `count` float32 values, all 0. */
export function sharedFloats(count: number): SharedArrayBuffer {
  return new SharedArrayBuffer(count * Float32Array.BYTES_PER_ELEMENT);
}

function isShared({ buffer }: Float32Array): boolean {
  return buffer instanceof SharedArrayBuffer;
}
