/** Meyda's spectral descriptors of a block of samples. */
import MeydaModule from 'meyda';

/** Node gives the CommonJS export itself as default; the package's types describe its ES build, one level deeper. */
const Meyda = MeydaModule as unknown as typeof MeydaModule.default;

export interface SpectralShape {
  /** Geometric over arithmetic mean of the amplitude spectrum, 0…1. */
  flatness: number;
  centroidHz: number;
}

/**
 * Null where the window leaves no sound (a lone first sample has weight 0): both descriptors are 0/0 there.
 *
 * @param block a power of two of samples.
 * @param sampleRateHz their rate.
 */
export function spectralShape(block: Float32Array, sampleRateHz: number): SpectralShape | null {
  // Meyda's configuration is global: it is set before each use, since others in the process may use it too.
  Meyda.bufferSize = block.length;
  Meyda.sampleRate = sampleRateHz;
  Meyda.windowingFunction = 'hanning';
  const { spectralFlatness, spectralCentroid } = Meyda.extract(['spectralFlatness', 'spectralCentroid'], block)!;
  if (!Number.isFinite(spectralFlatness) || !Number.isFinite(spectralCentroid)) return null;
  return { flatness: spectralFlatness!, centroidHz: (spectralCentroid! * sampleRateHz) / block.length };
}
