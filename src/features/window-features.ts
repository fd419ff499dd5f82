/** One window of PCM → one model input, for training's random crops; the same arithmetic as the live path. */
import { wrongLength } from './features-error.js';
import { BATCH_FRAMES, MelKernel } from './kernel/mel-kernel.js';
import { supportOffsetSamples, supportSpanSamples, validateFeatureParams, windowSpanSamples } from './params.js';
import type { FeatureParams } from './types.js';

/** Reusable: allocates only when it is made (and an output where none is given). Not re-entrant. */
export class WindowFeatures {
  /** Samples that one call takes. */
  readonly spanSamples: number;
  /** Values of one output: nMels × windowFrames. */
  readonly outputLength: number;
  private readonly kernel: MelKernel;

  /** Throws FEATURES_PARAM_INVALID. */
  constructor(readonly params: FeatureParams) {
    validateFeatureParams(params);
    this.spanSamples = windowSpanSamples(params);
    this.outputLength = params.mel.nMels * params.windowFrames;
    this.kernel = new MelKernel(params, params.windowFrames);
  }

  /**
   * Frame t covers pcm[t·hopLength, t·hopLength + nFft).
   *
   * @param pcm exactly spanSamples conditioned samples at the model's rate.
   * @param out nMels × windowFrames, overwritten; new when absent.
   * @returns `out`: the normalised input, band-major.
   * @throws StageError FEATURES_LENGTH_MISMATCH.
   */
  windowInput(pcm: Float32Array, out: Float32Array = new Float32Array(this.outputLength)): Float32Array {
    if (pcm.length !== this.spanSamples) throw wrongLength('the PCM of a window', pcm.length, this.spanSamples);
    if (out.length !== this.outputLength) throw wrongLength('the output of a window', out.length, this.outputLength);
    const offset = supportOffsetSamples(this.params.mel);
    this.computeFrames(pcm, offset);
    return this.kernel.normalise(0, rmsOf(pcm, offset, offset + supportSpanSamples(this.params)), out);
  }

  private computeFrames(pcm: Float32Array, offset: number): void {
    const { mel, windowFrames } = this.params;
    const { input } = this.kernel;
    for (let t = 0; t < windowFrames; t += BATCH_FRAMES) {
      const count = Math.min(BATCH_FRAMES, windowFrames - t);
      const start = offset + t * mel.hopLength;
      const length = (count - 1) * mel.hopLength + mel.winLength;
      input.set(pcm.subarray(start, start + length));
      input[length] = 0;
      this.kernel.frames(count, t);
    }
  }
}

/** Root mean square of signal[start, end). 0 of an empty range. */
export function rmsOf(signal: Float32Array, start: number, end: number): number {
  let squares = 0;
  for (let i = start; i < end; i++) squares += signal[i]! * signal[i]!;
  return end > start ? Math.sqrt(squares / (end - start)) : 0;
}
