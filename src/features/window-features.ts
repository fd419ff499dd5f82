/** One window of PCM → one model input, for training's random crops; the same arithmetic as the live path. */
import { wrongLength } from './features-error.js';
import { MelTransform } from './mel-transform.js';
import { WindowNormaliser } from './normalise.js';
import { supportOffsetSamples, supportSpanSamples, validateFeatureParams, windowSpanSamples } from './params.js';
import type { FeatureParams } from './types.js';

/** Reusable: allocates only when it is made (and an output where none is given). Not re-entrant. */
export class WindowFeatures {
  /** Samples that one call takes. */
  readonly spanSamples: number;
  /** Values of one output: nMels × windowFrames. */
  readonly outputLength: number;
  private readonly transform: MelTransform;
  private readonly normaliser: WindowNormaliser;
  private readonly logPower: Float32Array;

  /** Throws FEATURES_PARAM_INVALID. */
  constructor(readonly params: FeatureParams) {
    validateFeatureParams(params);
    this.spanSamples = windowSpanSamples(params);
    this.outputLength = params.mel.nMels * params.windowFrames;
    this.transform = new MelTransform(params.mel);
    this.normaliser = new WindowNormaliser(params);
    this.logPower = new Float32Array(this.outputLength);
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
    const { mel, windowFrames } = this.params;
    const offset = supportOffsetSamples(mel);
    for (let t = 0; t < windowFrames; t++) {
      this.transform.melLogPower(pcm, offset + t * mel.hopLength, this.logPower, t, windowFrames);
    }
    this.normaliser.apply(this.logPower, 0, windowFrames, rmsOf(pcm, offset, offset + supportSpanSamples(this.params)), out);
    return out;
  }
}

/** Root mean square of signal[start, end). 0 of an empty range. */
export function rmsOf(signal: Float32Array, start: number, end: number): number {
  let squares = 0;
  for (let i = start; i < end; i++) squares += signal[i]! * signal[i]!;
  return end > start ? Math.sqrt(squares / (end - start)) : 0;
}
