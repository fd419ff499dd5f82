/**
 * Mel filter bank: triangles on Slaney's or HTK's mel scale, the same as `librosa.filters.mel`.
 *
 * Scales: Slaney, Auditory Toolbox (1998): linear to 1 kHz, 27 logarithmic steps per factor 6.4 above; HTK:
 * 2595·log10(1 + f/700). Slaney's norm gives each triangle unit area: weights × 2 / (upper − lower edge).
 */
import { validateMelParams } from './params.js';
import type { MelParams } from './types.js';

export interface MelFilterBank {
  nMels: number;
  /** nFft / 2 + 1. */
  bins: number;
  /** nMels × bins weights, row-major. */
  dense: Float32Array;
  /** First bin with a weight, per band. */
  firstBin: Int32Array;
  /** Where each band's weights start in `weights`; nMels + 1 entries. */
  offsets: Int32Array;
  /** The non-zero runs of all bands, one after the other. */
  weights: Float32Array;
  /** Bands too narrow to hold any FFT bin: they are always silent, so the caller should warn. */
  emptyFilters: number[];
}

const SLANEY_HZ_PER_MEL = 200 / 3;
const SLANEY_LOG_FROM_HZ = 1000;
const SLANEY_LOG_FROM_MEL = SLANEY_LOG_FROM_HZ / SLANEY_HZ_PER_MEL;
const SLANEY_LOG_STEP = Math.log(6.4) / 27;

/** Hz → mel. */
export function hzToMel(hz: number, htk: boolean): number {
  if (htk) return 2595 * Math.log10(1 + hz / 700);
  if (hz < SLANEY_LOG_FROM_HZ) return hz / SLANEY_HZ_PER_MEL;
  return SLANEY_LOG_FROM_MEL + Math.log(hz / SLANEY_LOG_FROM_HZ) / SLANEY_LOG_STEP;
}

/** mel → Hz, inverse of hzToMel. */
export function melToHz(mel: number, htk: boolean): number {
  if (htk) return 700 * (10 ** (mel / 2595) - 1);
  if (mel < SLANEY_LOG_FROM_MEL) return mel * SLANEY_HZ_PER_MEL;
  return SLANEY_LOG_FROM_HZ * Math.exp(SLANEY_LOG_STEP * (mel - SLANEY_LOG_FROM_MEL));
}

/** Edges and centres of the triangles: nMels + 2 frequencies in Hz, equally spaced in mel. */
export function melEdgesHz({ nMels, fMinHz, fMaxHz, htk }: MelParams): Float64Array {
  const low = hzToMel(fMinHz, htk);
  const step = (hzToMel(fMaxHz, htk) - low) / (nMels + 1);
  return Float64Array.from({ length: nMels + 2 }, (_, i) => melToHz(low + step * i, htk));
}

/** Builds the bank. Throws FEATURES_PARAM_INVALID. */
export function melFilterBank(params: MelParams): MelFilterBank {
  validateMelParams(params);
  const { nMels, nFft, sampleRateHz, norm } = params;
  const bins = nFft / 2 + 1;
  const edges = melEdgesHz(params);
  const dense = new Float32Array(nMels * bins);
  for (let band = 0; band < nMels; band++) {
    const [low, centre, high] = [edges[band]!, edges[band + 1]!, edges[band + 2]!];
    const scale = norm === 'slaney' ? 2 / (high - low) : 1;
    for (let bin = 0; bin < bins; bin++) {
      const hz = (bin * sampleRateHz) / nFft;
      const rising = (hz - low) / (centre - low);
      const falling = (high - hz) / (high - centre);
      dense[band * bins + bin] = Math.max(0, Math.min(rising, falling)) * scale;
    }
  }
  return { nMels, bins, dense, ...sparse(dense, nMels, bins) };
}

function sparse(dense: Float32Array, nMels: number, bins: number): Pick<MelFilterBank, 'firstBin' | 'offsets' | 'weights' | 'emptyFilters'> {
  const firstBin = new Int32Array(nMels);
  const offsets = new Int32Array(nMels + 1);
  const weights: number[] = [];
  const emptyFilters: number[] = [];
  for (let band = 0; band < nMels; band++) {
    const row = dense.subarray(band * bins, (band + 1) * bins);
    const first = row.findIndex((weight) => weight > 0);
    if (first < 0) emptyFilters.push(band);
    else {
      const last = row.findLastIndex((weight) => weight > 0);
      firstBin[band] = first;
      weights.push(...row.subarray(first, last + 1));
    }
    offsets[band + 1] = weights.length;
  }
  return { firstBin, offsets, weights: Float32Array.from(weights), emptyFilters };
}
