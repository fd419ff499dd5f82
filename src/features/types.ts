/**
 * Parameters of the features (they live in the model package's manifest and nowhere else) and what features hand to
 * inference.
 *
 * Buffer ownership: `input` of a FeatureWindow is freshly allocated and belongs to the receiver (it is transferred to
 * the inference worker).
 */

/** Log-mel parameters, librosa's names in camelCase. */
export interface MelParams {
  /** Sampling rate in Hz. */
  sampleRateHz: number;
  /** FFT length in samples. */
  nFft: number;
  /** Analysis window length in samples, ≤ nFft; zero-padded centrally to nFft, as librosa does. */
  winLength: number;
  /** Distance between frames in samples. */
  hopLength: number;
  /** `hann` is the periodic Hann window (scipy `get_window('hann', fftbins=True)`). */
  window: 'hann';
  /** Frame t is centred on sample t·hopLength when true. */
  center: boolean;
  /** How the edges are padded when centred. */
  padMode: 'constant' | 'reflect';
  /** Exponent of the magnitude: 2 = power. */
  power: number;
  nMels: number;
  fMinHz: number;
  fMaxHz: number;
  /** Slaney's mel scale when false. */
  htk: boolean;
  /** Slaney area normalisation of the filters, or none. */
  norm: 'slaney' | null;
}

/** How mel power becomes decibels: 10·log10(max(amin, S) / ref), floored at max − topDb where given. */
export interface DbParams {
  /** Smallest power, > 0. */
  amin: number;
  /** Reference power, or `max` of the window. */
  ref: number | 'max';
  /** Dynamic range in dB, or null for none. */
  topDb: number | null;
}

/** How a window of decibels becomes the model's input. All are causal: they look at the window only. */
export type Normalisation =
  /** Divide the signal by its RMS over the window before the decibels (as a shift of the decibels), subtract each band's time mean, divide by the window's standard deviation (ddof 1, + 1e-3). */
  | 'windowRms-bandMean-windowStd'
  /** (x − mean) / (std + 1e-3) over the window. */
  | 'windowMeanStd'
  | 'none';

/** Everything that turns model-rate PCM into model input. */
export interface FeatureParams {
  mel: MelParams;
  db: DbParams;
  normalisation: Normalisation;
  /** Frames in one window. */
  windowFrames: number;
  /** Frames between windows. */
  windowHopFrames: number;
  /** First-order DC-blocking high-pass corner in Hz applied in condition; 0 = off. */
  dcBlockHz: number;
}

/** Descriptors of the audio under one window, for the quality gate. */
export interface WindowDescriptors {
  /** RMS of the conditioned audio, full scale = 1. */
  rms: number;
  /** Peak absolute value. */
  peak: number;
  /** Fraction of source samples at full scale, 0…1. */
  clippedRatio: number;
  /** Fraction of source samples that were not finite and became 0, 0…1. */
  nonFiniteRatio: number;
  /** Meyda spectral flatness 0…1, mean over the window. */
  spectralFlatness: number;
  /** Meyda spectral centroid in Hz, mean over the window. */
  spectralCentroidHz: number;
  /** Strength of the beat: largest normalised autocorrelation of the envelope at lags of 0.3–2 s, 0…1. */
  periodicity: number;
  /** Fraction of the window that is digital silence (exact or below 1e-5), 0…1. */
  silentRatio: number;
  /** Fraction of frames in the window that are real; < 1 when a short clip was tiled to fill it. */
  filledRatio: number;
}

/** One model input. */
export interface FeatureWindow {
  kind: 'window';
  streamId: string;
  /** Number of the window in its stream, from 0, never reused. */
  seq: number;
  /** First and one-past-last sample (at sampleRateHz, on the stream's counter) that the window depends on. */
  startSample: number;
  endSample: number;
  sampleRateHz: number;
  /** UTC ms at which the window's last sample was captured. */
  capturedAtMs: number;
  /** nMels × windowFrames, row-major (mel band major), normalised: the model's input without batch and channel axes. */
  input: Float32Array;
  descriptors: WindowDescriptors;
}

/** One hop of spectrogram for display: `columns` frames of unnormalised mel decibels. */
export interface FrameBlock {
  kind: 'frames';
  streamId: string;
  /** Sample on which the first frame is centred. */
  startSample: number;
  /** columns × nMels decibels, frame-major. */
  melDb: Float32Array;
  columns: number;
  nMels: number;
}

export interface FeatureGap {
  kind: 'gap';
  streamId: string;
  startSample: number;
  lengthSamples: number;
  sampleRateHz: number;
  reason: string;
  capturedAtMs: number;
}

export type FeatureItem = FeatureWindow | FrameBlock | FeatureGap | { kind: 'end'; streamId: string };
