/** Where a frequency lies on the spectrogram (Slaney's mel scale, as the model's features use it), and axis ticks. */
import { hzToMel } from '../../src/features/mel-filter-bank.js';

/** The mel axis as the station describes it in `hello.model`. */
export interface MelAxis {
  nMels: number;
  fMinHz: number;
  fMaxHz: number;
}

export interface MelTick {
  hz: number;
  label: string;
  /** Height on the plot, 0 = bottom edge, 1 = top edge. */
  position: number;
}

/**
 * Height of a frequency on a plot with one row per band: band b's centre (mel point b + 1 of nMels + 2 equally spaced
 * ones) is the middle of row b. 0 = bottom edge, 1 = top edge; outside 0…1 for frequencies beyond the outer bands.
 */
export function positionOfHz(hz: number, axis: MelAxis): number {
  const low = slaneyMel(axis.fMinHz);
  const step = (slaneyMel(axis.fMaxHz) - low) / (axis.nMels + 1);
  return ((slaneyMel(hz) - low) / step - 0.5) / axis.nMels;
}

/** Ticks at round frequencies, the roundest first, no two closer than `minSpacing` (fraction of the height); ascending. */
export function melTicks(axis: MelAxis, minSpacing: number): MelTick[] {
  const chosen: MelTick[] = [];
  for (const hz of roundFrequencies(axis)) {
    const position = positionOfHz(hz, axis);
    if (position < 0 || position > 1) continue;
    if (chosen.some((tick) => Math.abs(tick.position - position) < minSpacing)) continue;
    chosen.push({ hz, label: formatHz(hz), position });
  }
  return chosen.sort((a, b) => a.hz - b.hz);
}

function slaneyMel(hz: number): number {
  return hzToMel(hz, false);
}

function formatHz(hz: number): string {
  return hz >= 1000 ? `${String(hz / 1000)}k` : String(hz);
}

/** 1·10ⁿ, then 5·10ⁿ, 2·10ⁿ, 3, 7, 4, 6, 8, 9·10ⁿ within the axis, high decades first. */
function roundFrequencies(axis: MelAxis): number[] {
  const found: number[] = [];
  for (const digit of [1, 5, 2, 3, 7, 4, 6, 8, 9]) {
    for (let exponent = 5; exponent >= 1; exponent -= 1) {
      const hz = digit * 10 ** exponent;
      if (hz >= axis.fMinHz && hz <= axis.fMaxHz) found.push(hz);
    }
  }
  return found;
}
