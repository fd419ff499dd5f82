/**
 * One STFT frame: samples under the analysis window → mel power. Frames are reckoned in the samples under the window
 * (winLength of them), since those that librosa's central zero-padding to nFft adds can't matter. The live path has the
 * same in WebAssembly (kernel/mel-kernel.ts).
 */
import FFT from 'fft.js';
import { hannWindow } from './analysis-window.js';
import { melFilterBank, type MelFilterBank } from './mel-filter-bank.js';
import { supportOffsetSamples } from './params.js';
import type { MelParams } from './types.js';

/** fft.js ships no constructor type. */
interface RealFft {
  realTransform(out: Float64Array, data: Float64Array): void;
}
const RealFft = FFT as unknown as new (size: number) => RealFft;

/** Holds tables and scratch for one set of parameters; not re-entrant, cheap to keep. */
export class MelTransform {
  readonly bank: MelFilterBank;
  private readonly window: Float64Array;
  private readonly offset: number;
  private readonly fft: RealFft;
  private readonly frame: Float64Array;
  private readonly spectrum: Float64Array;
  private readonly power: Float64Array;
  private readonly weights: Float64Array;
  private readonly bands: Float64Array;

  /** Throws FEATURES_PARAM_INVALID. */
  constructor(private readonly params: MelParams) {
    this.bank = melFilterBank(params);
    this.window = hannWindow(params.winLength);
    this.offset = supportOffsetSamples(params);
    this.fft = new RealFft(params.nFft);
    this.frame = new Float64Array(params.nFft);
    this.spectrum = new Float64Array(2 * params.nFft);
    this.power = new Float64Array(this.bank.bins);
    this.bands = new Float64Array(params.nMels);
    this.weights = Float64Array.from(this.bank.weights);
  }

  /** Mel power of the winLength samples from `signal[start]`; the array returned is valid until the next call. */
  melPower(signal: Float32Array, start: number): Float64Array {
    const { frame, window, offset } = this;
    for (let i = 0; i < window.length; i++) frame[offset + i] = signal[start + i]! * window[i]!;
    this.fft.realTransform(this.spectrum, frame);
    this.takePower();
    return this.sumBands();
  }

  private takePower(): void {
    const { power, spectrum } = this;
    for (let bin = 0; bin < power.length; bin++) {
      const re = spectrum[2 * bin]!;
      const im = spectrum[2 * bin + 1]!;
      power[bin] = re * re + im * im;
    }
    if (this.params.power === 2) return;
    const exponent = this.params.power / 2;
    for (let bin = 0; bin < power.length; bin++) power[bin] = power[bin]! ** exponent;
  }

  private sumBands(): Float64Array {
    const { power, weights, bands } = this;
    const { firstBin, offsets } = this.bank;
    for (let band = 0; band < bands.length; band++) {
      const end = offsets[band + 1]!;
      let bin = firstBin[band]!;
      let sum = 0;
      for (let i = offsets[band]!; i < end; i++) sum += weights[i]! * power[bin++]!;
      bands[band] = sum;
    }
    return bands;
  }
}
