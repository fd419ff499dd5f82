/** Clips in a form that goes to worker threads without a copy for each: all PCM lies in one piece of shared memory. */
import type { Clip } from '../sampler.js';

/** Structured-cloneable; cloning copies all but the PCM. */
export interface SharedClips {
  /** PCM of all clips, one after the other. */
  memory: SharedArrayBuffer;
  clips: { clip: Omit<Clip, 'pcm'>; start: number; length: number }[];
}

/** Copies the PCM once. */
export function shareClips(clips: readonly Clip[]): SharedClips {
  const memory = new SharedArrayBuffer(Float32Array.BYTES_PER_ELEMENT * clips.reduce((sum, { pcm }) => sum + pcm.length, 0));
  const all = new Float32Array(memory);
  let start = 0;
  return {
    memory,
    clips: clips.map(({ pcm, ...clip }) => {
      all.set(pcm, start);
      const place = { clip, start, length: pcm.length };
      start += pcm.length;
      return place;
    }),
  };
}

/** Clips whose PCM is a view of the shared memory; nobody may write to it. */
export function clipsOf({ memory, clips }: SharedClips): Clip[] {
  return clips.map(({ clip, start, length }) => ({ ...clip, pcm: new Float32Array(memory, start * Float32Array.BYTES_PER_ELEMENT, length) }));
}
