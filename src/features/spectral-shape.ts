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
 * @param block a power of two of samples, with some sound in it.
 * @param sampleRateHz their rate.
 */
export function spectralShape(block: Float32Array, sampleRateHz: number): SpectralShape {
  // Meyda's configuration is global: it is set before each use, since others in the process may use it too.
  Meyda.bufferSize = block.length;
  Meyda.sampleRate = sampleRateHz;
  Meyda.windowingFunction = 'hanning';
  const { spectralFlatness, spectralCentroid } = Meyda.extract(['spectralFlatness', 'spectralCentroid'], block)!;
  return { flatness: spectralFlatness!, centroidHz: (spectralCentroid! * sampleRateHz) / block.length };
}
