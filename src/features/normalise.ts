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
  private readonly bandSum: Float64Array;
  private readonly bandSquares: Float64Array;

  constructor(private readonly params: FeatureParams) {
    this.bandSum = new Float64Array(params.mel.nMels);
    this.bandSquares = new Float64Array(params.mel.nMels);
  }

  /**
   * @param logPower band-major 10·log10 mel power: frame t of band b at `start + b · stride + t`.
   * @param start where the window's first frame of band 0 lies.
   * @param stride distance between bands, ≥ windowFrames.
   * @param rms root mean square of the window's samples, full scale = 1; used by `windowRms-…` only.
   * @param out nMels × windowFrames, band-major; overwritten.
   */
  apply(logPower: Float32Array, start: number, stride: number, rms: number, out: Float32Array): void {
    this.toDecibels(logPower, start, stride, rms, out);
    if (this.params.normalisation === 'none') return;
    this.sumBands(out);
    this.standardise(out);
  }

  /** Shift, floor, reference and top. */
  private toDecibels(logPower: Float32Array, start: number, stride: number, rms: number, out: Float32Array): void {
    const { mel, db, windowFrames, normalisation } = this.params;
    const byRms = normalisation === 'windowRms-bandMean-windowStd';
    const rmsDb = byRms ? 5 * mel.power * Math.log10(Math.max(rms * rms, MIN_MEAN_SQUARE)) : 0;
    const aminDb = 10 * Math.log10(db.amin);
    const needsMax = db.ref === 'max' || db.topDb !== null;
    const maxDb = needsMax ? Math.max(aminDb, this.largest(logPower, start, stride) - rmsDb) : 0;
    const refDb = db.ref === 'max' ? maxDb : Math.max(aminDb, 10 * Math.log10(db.ref));
    const floor = Math.fround((db.topDb === null ? aminDb : Math.max(aminDb, maxDb - db.topDb)) - refDb);
    const shift = Math.fround(rmsDb + refDb);
    for (let band = 0, o = 0; band < mel.nMels; band++) {
      for (let i = start + band * stride, end = i + windowFrames; i < end; i++, o++) {
        const value = Math.fround(logPower[i]! - shift);
        out[o] = value > floor ? value : floor;
      }
    }
  }

  /** Sum and sum of squares of each band; two chains of additions, since each must wait for its own last result. */
  private sumBands(out: Float32Array): void {
    const { windowFrames } = this.params;
    const even = windowFrames - (windowFrames % 2);
    for (let band = 0; band < this.bandSum.length; band++) {
      const row = band * windowFrames;
      let [sum0, sum1, squares0, squares1] = [0, 0, 0, 0];
      for (let i = row; i < row + even; i += 2) {
        const a = out[i]!;
        const b = out[i + 1]!;
        sum0 += a;
        sum1 += b;
        squares0 += a * a;
        squares1 += b * b;
      }
      if (even < windowFrames) {
        const a = out[row + even]!;
        sum0 += a;
        squares0 += a * a;
      }
      this.bandSum[band] = sum0 + sum1;
      this.bandSquares[band] = squares0 + squares1;
    }
  }

  /** Subtracts means, divides by the standard deviation of what is left. */
  private standardise(out: Float32Array): void {
    const { windowFrames, normalisation } = this.params;
    const { bandSum, bandSquares } = this;
    const byBand = normalisation === 'windowRms-bandMean-windowStd';
    const overall = total(bandSum) / out.length;
    let squares = total(bandSquares);
    for (const sum of bandSum) squares -= byBand ? (sum * sum) / windowFrames : 2 * overall * sum - overall * overall * windowFrames;
    const scale = 1 / (Math.sqrt(Math.max(0, squares) / Math.max(1, out.length - 1)) + STD_GUARD);
    for (let band = 0, i = 0; band < bandSum.length; band++) {
      const mean = byBand ? bandSum[band]! / windowFrames : overall;
      for (const end = i + windowFrames; i < end; i++) out[i] = (out[i]! - mean) * scale;
    }
  }

  private largest(logPower: Float32Array, start: number, stride: number): number {
    let max = -Infinity;
    for (let band = 0; band < this.params.mel.nMels; band++) {
      for (let i = start + band * stride, end = i + this.params.windowFrames; i < end; i++) if (logPower[i]! > max) max = logPower[i]!;
    }
    return max;
  }
}

function total(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum;
}
