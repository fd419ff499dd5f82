/** Interleaved samples of any quality → one finite channel, with a count of what was wrong. */

/** From here on a source sample counts as clipped. */
export const CLIPPED_FROM = 0.999;
/** Finite nonsense beyond this is held here, so that no filter overflows. */
const LARGEST = 1e6;

export interface Defects {
  /** Frames in which a chosen sample was at or beyond full scale. */
  clipped: number;
  /** Frames in which a chosen sample was NaN or infinite and became 0. */
  nonFinite: number;
}

/**
 * Takes `count` frames from `firstFrame` on.
 *
 * @param interleaved frames × channels samples.
 * @param channel index of the channel, or `mix` for the mean of all.
 * @param mono receives `count` samples.
 * @param defects counts are added to it.
 */
export function takeChannel(interleaved: Float32Array, channels: number, channel: 'mix' | number, firstFrame: number, count: number, mono: Float32Array, defects: Defects): void {
  const [from, to] = channel === 'mix' ? [0, channels] : [channel, channel + 1];
  for (let frame = 0; frame < count; frame++) {
    const base = (firstFrame + frame) * channels;
    let [sum, clipped, nonFinite] = [0, false, false];
    for (let i = from; i < to; i++) {
      const sample = interleaved[base + i]!;
      const magnitude = Math.abs(sample);
      if (magnitude < Infinity) {
        if (magnitude >= CLIPPED_FROM) clipped = true;
        sum += magnitude > LARGEST ? Math.sign(sample) * LARGEST : sample;
      } else nonFinite = true;
    }
    mono[frame] = sum / (to - from);
    if (clipped) defects.clipped += 1;
    if (nonFinite) defects.nonFinite += 1;
  }
}
