/** The offline mel spectrogram of a whole signal: `librosa.feature.melspectrogram`. */
import { paddedIndex } from './edge-padding.js';
import { MelTransform } from './mel-transform.js';
import { supportOffsetSamples } from './params.js';
import type { MelParams } from './types.js';

export interface MelSpectrogram {
  /** nMels × frames mel power, band-major. */
  data: Float32Array;
  frames: number;
}

/** Frames that librosa makes of `samples` samples: 1 + floor(samples / hop) centred, 1 + floor((samples − nFft) / hop) not; none of an empty signal. */
export function frameCount(samples: number, params: MelParams): number {
  if (samples === 0) return 0;
  if (params.center) return 1 + Math.floor(samples / params.hopLength);
  return samples < params.nFft ? 0 : 1 + Math.floor((samples - params.nFft) / params.hopLength);
}

/**
 * @param y mono samples at params.sampleRateHz.
 * @throws StageError FEATURES_PARAM_INVALID.
 */
export function melSpectrogram(y: Float32Array, params: MelParams): MelSpectrogram {
  const transform = new MelTransform(params);
  const { nMels, hopLength, winLength, nFft } = params;
  const frames = frameCount(y.length, params);
  const data = new Float32Array(nMels * frames);
  const support = new Float32Array(winLength);
  const firstStart = supportOffsetSamples(params) - (params.center ? nFft / 2 : 0);
  for (let t = 0; t < frames; t++) {
    const start = firstStart + t * hopLength;
    for (let i = 0; i < winLength; i++) support[i] = y[paddedIndex(start + i, y.length, params.padMode)] ?? 0;
    const bands = transform.melPower(support, 0);
    for (let band = 0; band < nMels; band++) data[band * frames + t] = bands[band]!;
  }
  return { data, frames };
}
