/** Checks of the feature parameters, and the lengths that follow from them. */
import { invalidParam } from './features-error.js';
import type { DbParams, FeatureParams, MelParams } from './types.js';

const MAX_FFT = 1 << 16;
const NORMALISATIONS = ['windowRms-bandMean-windowStd', 'windowMeanStd', 'none'];

/** Throws FEATURES_PARAM_INVALID naming the first mel parameter out of its range. */
export function validateMelParams(p: MelParams): void {
  positive('mel.sampleRateHz', p.sampleRateHz);
  integer('mel.nFft', p.nFft, 2, MAX_FFT);
  if ((p.nFft & (p.nFft - 1)) !== 0) throw invalidParam('mel.nFft', p.nFft, `a power of two, 2 … ${MAX_FFT}`);
  integer('mel.winLength', p.winLength, 1, p.nFft);
  integer('mel.hopLength', p.hopLength, 1, 1 << 24);
  oneOf('mel.window', p.window, ['hann']);
  oneOf('mel.center', p.center, [true, false]);
  oneOf('mel.padMode', p.padMode, ['constant', 'reflect']);
  positive('mel.power', p.power);
  integer('mel.nMels', p.nMels, 1, 4096);
  oneOf('mel.htk', p.htk, [true, false]);
  oneOf('mel.norm', p.norm, ['slaney', null]);
  const nyquist = p.sampleRateHz / 2;
  if (!(p.fMinHz >= 0 && p.fMinHz < nyquist)) throw invalidParam('mel.fMinHz', p.fMinHz, `0 ≤ fMinHz < ${nyquist} (half of sampleRateHz)`);
  if (!(p.fMaxHz > p.fMinHz && p.fMaxHz <= nyquist)) throw invalidParam('mel.fMaxHz', p.fMaxHz, `${p.fMinHz} (fMinHz) < fMaxHz ≤ ${nyquist} (half of sampleRateHz)`);
}

/** Throws FEATURES_PARAM_INVALID naming the first decibel parameter out of its range. */
export function validateDbParams(p: DbParams): void {
  positive('db.amin', p.amin);
  if (p.ref !== 'max') positive('db.ref', p.ref);
  if (p.topDb !== null) positive('db.topDb', p.topDb);
}

/** Throws FEATURES_PARAM_INVALID naming the first parameter out of its range. */
export function validateFeatureParams(p: FeatureParams): void {
  validateMelParams(p.mel);
  validateDbParams(p.db);
  oneOf('normalisation', p.normalisation, NORMALISATIONS);
  integer('windowFrames', p.windowFrames, 1, 1 << 20);
  integer('windowHopFrames', p.windowHopFrames, 1, 1 << 20);
  const nyquist = p.mel.sampleRateHz / 2;
  if (!(p.dcBlockHz >= 0 && p.dcBlockHz < nyquist)) throw invalidParam('dcBlockHz', p.dcBlockHz, `0 (off) ≤ dcBlockHz < ${nyquist} (half of mel.sampleRateHz)`);
}

/** Samples that one uncentred window needs: (windowFrames − 1) · hopLength + nFft. */
export function windowSpanSamples(params: FeatureParams): number {
  return (params.windowFrames - 1) * params.mel.hopLength + params.mel.nFft;
}

/** Samples from the start of an FFT frame to the first one under the analysis window: (nFft − winLength) / 2, rounded down as librosa does. */
export function supportOffsetSamples(mel: MelParams): number {
  return Math.floor((mel.nFft - mel.winLength) / 2);
}

/** Samples from the start of a window's first analysis window to the end of its last one. */
export function supportSpanSamples(params: FeatureParams): number {
  return (params.windowFrames - 1) * params.mel.hopLength + params.mel.winLength;
}

function positive(name: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0)) throw invalidParam(name, value, 'a finite number > 0');
}

function integer(name: string, value: number, min: number, max: number): void {
  if (!(Number.isInteger(value) && value >= min && value <= max)) throw invalidParam(name, value, `an integer, ${min} … ${max}`);
}

function oneOf(name: string, value: unknown, allowed: readonly unknown[]): void {
  if (!allowed.includes(value)) throw invalidParam(name, value, allowed.map(String).join(', '));
}
