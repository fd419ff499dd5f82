/** What decoding a file gives. */

/** File formats that are recognised by their content. */
export type AudioFormat = 'wav' | 'flac' | 'mp3' | 'ogg-vorbis' | 'ogg-opus' | 'ogg-flac';

/** A whole file as PCM. */
export interface DecodedAudio {
  /**
   * Interleaved samples, length = frames × channels. Integers are divided by 2^(bits−1), so 16-bit −32768 is −1;
   * floats pass through unchanged, NaN and infinities included. Belongs to the caller.
   */
  samples: Float32Array;
  /** Number of interleaved channels, ≥ 1. */
  channels: number;
  /** Sampling rate in Hz as the file states it (Opus always decodes at 48 000). */
  sampleRateHz: number;
  format: AudioFormat;
  /** Length in ms. */
  durationMs: number;
  /** What was wrong with the file although it could be decoded: a lying header, damaged frames. Empty for a sound file. */
  warnings: string[];
}

/** Puts per-channel arrays (all of one length) into one interleaved array. A mono array is returned as it is. */
export function interleave(channelData: readonly Float32Array[], frames: number): Float32Array {
  const [first] = channelData;
  if (channelData.length === 1 && first !== undefined && first.length === frames) return first;
  const channels = channelData.length;
  const samples = new Float32Array(frames * channels);
  channelData.forEach((data, channel) => {
    const length = Math.min(frames, data.length);
    for (let i = 0, o = channel; i < length; i++, o += channels) samples[o] = data[i]!;
  });
  return samples;
}
