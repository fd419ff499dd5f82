/**
 * The signal-quality gate: descriptors of the audio under a window → a score and the reasons for a low one.
 *
 * Hard reasons (there is nothing to classify) make any label `unknown`. Soft reasons (it hardly sounds like a heart)
 * do so too, except when the model itself says `artifact`, since that is what the label means.
 */
import type { WindowDescriptors } from '../features/types.js';
import type { QualityReason } from '../protocol/messages.js';

/** Limits of the gate. Levels are of the conditioned signal, full scale = 1. */
export interface QualityRules {
  /** A window is silent when at least this fraction of it is digital silence. */
  silentRatio: number;
  /** RMS below which the level is too low, dB re full scale. */
  minRmsDb: number;
  /** Fraction of clipped samples at which the score reaches 0. */
  maxClippedRatio: number;
  /** Fraction of the window's samples that may be non-finite before it is unusable. */
  maxNonFiniteRatio: number;
  /** Mean spectral flatness (0…1) from which the sound counts as noise. */
  maxFlatness: number;
  /** Strength of the beat (0…1) below which no rhythm is heard. */
  minPeriodicity: number;
  /** Fraction of the window that must be real sound, not tiled. */
  minFilledRatio: number;
  /** Scores below this make the label `unknown`. */
  minScore: number;
}

export const defaultQualityRules: QualityRules = {
  silentRatio: 0.9,
  minRmsDb: -75,
  maxClippedRatio: 0.1,
  maxNonFiniteRatio: 0.01,
  maxFlatness: 0.6,
  minPeriodicity: 0.06,
  minFilledRatio: 0.33,
  minScore: 0.5,
};

export interface Quality {
  /** 0 (unusable) … 1 (good): the product of one factor per rule. */
  score: number;
  reasons: QualityReason[];
  /** True when a hard reason makes any label meaningless. */
  unusable: boolean;
}

const HARD: ReadonlySet<QualityReason> = new Set(['silence', 'low-level', 'clipping', 'non-finite', 'short']);

/** Judges one window. */
export function judgeQuality(d: WindowDescriptors, rules: QualityRules = defaultQualityRules): Quality {
  const silent = d.silentRatio >= rules.silentRatio;
  const rmsDb = 20 * Math.log10(Math.max(d.rms, 1e-12));
  // Each factor is 1 well inside its limit, falls linearly, and is 0.5 or less beyond it.
  const factors: Array<[QualityReason, number]> = [
    ['silence', silent ? 0 : 1],
    ['low-level', silent ? 1 : ramp(rmsDb, rules.minRmsDb - 10, rules.minRmsDb + 10)],
    ['clipping', 1 - clamp01(d.clippedRatio / (2 * rules.maxClippedRatio))],
    ['non-finite', 1 - clamp01(d.nonFiniteRatio / (2 * rules.maxNonFiniteRatio))],
    ['noise', silent ? 1 : 1 - ramp(d.spectralFlatness, rules.maxFlatness - 0.2, rules.maxFlatness + 0.2)],
    ['no-rhythm', silent ? 1 : ramp(d.periodicity, 0, 2 * rules.minPeriodicity)],
    ['short', ramp(d.filledRatio, 0, 2 * rules.minFilledRatio)],
  ];
  const reasons = factors.filter(([, factor]) => factor <= 0.5).map(([reason]) => reason);
  const score = factors.reduce((product, [, factor]) => product * factor, 1);
  return { score, reasons, unusable: reasons.some((reason) => HARD.has(reason)) };
}

/** True when the gate lets `rawLabel` through. */
export function passesGate(quality: Quality, rawLabel: string, rules: QualityRules = defaultQualityRules): boolean {
  if (quality.unusable) return false;
  return rawLabel === 'artifact' || quality.score >= rules.minScore;
}

function clamp01(x: number): number {
  return x < 0 ? 0 : x > 1 ? 1 : x;
}

/** 0 at `low`, 1 at `high`, linear between. */
function ramp(x: number, low: number, high: number): number {
  return clamp01((x - low) / (high - low));
}
