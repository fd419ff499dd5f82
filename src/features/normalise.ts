/** Log mel power of one window → the model's input. All kinds look at the window only, so live and offline agree. */
import type { FeatureParams } from './types.js';

/** Keeps the division harmless on a window without any variation (silence gives zeros). */
const STD_GUARD = 1e-3;
/** Mean square below which a window counts as digital silence. */
const MIN_MEAN_SQUARE = 1e-16;

/**
 * Normalises windows of one parameter set; holds scratch, not re-entrant.
 *
 * `windowRms-bandMean-windowStd`: with rms = root mean square of the samples under the window,
 * dB = max(10·log10 M − power·10·log10 rms, 10·log10 amin), which is the decibels of the signal divided by its rms;
 * then each band's time mean is subtracted and all is divided by (standard deviation with ddof 1 over the window + 1e-3).
 * `windowMeanStd`: (dB − mean) / (std with ddof 1 + 1e-3). `none`: dB.
 * `ref` and `topDb` of the decibel parameters apply before, over the window.
 */
export class WindowNormaliser {
  private readonly bandMean: Float64Array;

  constructor(private readonly params: FeatureParams) {
    this.bandMean = new Float64Array(params.mel.nMels);
  }

  /**
   * @param logPower frame-major 10·log10 mel power, of which windowFrames · nMels values from `start` on are used.
   * @param rms root mean square of the window's samples, full scale = 1; used by `windowRms-…` only.
   * @param out nMels × windowFrames, band-major; overwritten.
   */
  apply(logPower: Float32Array, start: number, rms: number, out: Float32Array): void {
    const { nMels } = this.params.mel;
    const window = logPower.subarray(start, start + nMels * this.params.windowFrames);
    this.toDecibels(window, rms, out);
    if (this.params.normalisation === 'none') return;
    this.subtractMeans(out);
    divideByStd(out);
  }

  /** Shift, floor, reference and top, transposed into `out`. */
  private toDecibels(window: Float32Array, rms: number, out: Float32Array): void {
    const { mel, db, windowFrames, normalisation } = this.params;
    const byRms = normalisation === 'windowRms-bandMean-windowStd';
    const shift = byRms ? 5 * mel.power * Math.log10(Math.max(rms * rms, MIN_MEAN_SQUARE)) : 0;
    const aminDb = 10 * Math.log10(db.amin);
    const maxDb = db.ref === 'max' || db.topDb !== null ? Math.max(aminDb, largest(window) - shift) : 0;
    const floor = db.topDb === null ? aminDb : Math.max(aminDb, maxDb - db.topDb);
    const refDb = db.ref === 'max' ? maxDb : Math.max(aminDb, 10 * Math.log10(db.ref));
    const { nMels } = mel;
    for (let t = 0, i = 0; t < windowFrames; t++) {
      for (let band = 0, o = t; band < nMels; band++, o += windowFrames) {
        const value = window[i++]! - shift;
        out[o] = (value > floor ? value : floor) - refDb;
      }
    }
  }

  private subtractMeans(out: Float32Array): void {
    const { windowFrames, mel, normalisation } = this.params;
    const { bandMean } = this;
    let total = 0;
    for (let band = 0, o = 0; band < mel.nMels; band++) {
      let sum = 0;
      for (let t = 0; t < windowFrames; t++) sum += out[o++]!;
      bandMean[band] = sum / windowFrames;
      total += sum;
    }
    if (normalisation === 'windowMeanStd') bandMean.fill(total / out.length);
    for (let band = 0, o = 0; band < mel.nMels; band++) {
      const mean = bandMean[band]!;
      for (let t = 0; t < windowFrames; t++, o++) out[o] = out[o]! - mean;
    }
  }
}

/** `values` have mean 0. */
function divideByStd(values: Float32Array): void {
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += values[i]! * values[i]!;
  const scale = 1 / (Math.sqrt(squares / Math.max(1, values.length - 1)) + STD_GUARD);
  for (let i = 0; i < values.length; i++) values[i] = values[i]! * scale;
}

function largest(values: Float32Array): number {
  let max = -Infinity;
  for (let i = 0; i < values.length; i++) if (values[i]! > max) max = values[i]!;
  return max;
}
