/** rxjs operator: what inference gives for one stream → `prediction` and `drop` messages. */
import { type OperatorFunction, Observable } from 'rxjs';
import type { DroppedWindow, InferenceItem, InferredWindow } from '../inference/types.js';
import type { Drop, Prediction, QualityReason } from '../protocol/messages.js';
import { defaultQualityRules, judgeQuality, passesGate, type Quality, type QualityRules } from './quality.js';
import { defaultSmoothing, indexOfMax, LabelSmoother, type Smoothed, type SmoothingOptions } from './smoothing.js';

export interface LabelOptions {
  /** Model labels in output order. */
  labels: readonly string[];
  model: { name: string; version: string };
  /** Smoothed confidence below which the label is `unknown`, 0…1. */
  unknownBelow: number;
  smoothing?: SmoothingOptions;
  quality?: QualityRules;
  /** UTC ms now, on the same clock as capturedAtMs. */
  now: () => number;
}

/** Label of a window that can't be told. */
export const UNKNOWN = 'unknown';

/** One instance per stream and subscription. A jump in the windows' samples (a gap) restarts the smoothing. */
export function labelStream(options: LabelOptions): OperatorFunction<InferenceItem, Prediction | Drop> {
  return (source) =>
    new Observable((subscriber) => {
      const labeller = new Labeller(options);
      return source.subscribe({
        next: (item) => subscriber.next(item.kind === 'inferred' ? labeller.predict(item) : labeller.drop(item)),
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      });
    });
}

class Labeller {
  private readonly smoother: LabelSmoother;
  private readonly rules: QualityRules;
  private lastEndSample = -1;
  private droppedTotal = 0;

  constructor(private readonly options: LabelOptions) {
    this.smoother = new LabelSmoother(options.smoothing ?? defaultSmoothing);
    this.rules = options.quality ?? defaultQualityRules;
  }

  predict(item: InferredWindow): Prediction {
    const { window, probabilities } = item;
    const { labels, model } = this.options;
    // Windows that share no sample lie on both sides of a gap: what was heard before says nothing of now.
    if (window.startSample >= this.lastEndSample) this.smoother.reset();
    this.lastEndSample = window.endSample;

    const quality = judgeQuality(window.descriptors, this.rules);
    const smoothed = this.smoother.push(probabilities, (1000 * window.endSample) / window.sampleRateHz);
    const { label, reasons } = this.decide(smoothed, quality);
    const endMs = window.capturedAtMs;
    const startMs = endMs - (1000 * (window.endSample - window.startSample)) / window.sampleRateHz;
    return {
      type: 'prediction',
      streamId: window.streamId,
      seq: window.seq,
      window: {
        startSample: window.startSample,
        endSample: window.endSample,
        sampleRateHz: window.sampleRateHz,
        startTime: new Date(startMs).toISOString(),
        endTime: new Date(endMs).toISOString(),
      },
      label,
      rawLabel: labels[indexOfMax(probabilities)]!,
      confidence: clamp01(smoothed.confidence),
      probabilities: Object.fromEntries(labels.map((name, i) => [name, clamp01(probabilities[i]!)])),
      quality: { score: quality.score, reasons },
      latencyMs: this.options.now() - endMs,
      model,
    };
  }

  drop(item: DroppedWindow): Drop {
    this.droppedTotal += 1;
    return {
      type: 'drop',
      streamId: item.streamId,
      kind: 'window',
      count: 1,
      total: this.droppedTotal,
      time: new Date(this.options.now()).toISOString(),
      reason: item.reason,
    };
  }

  private decide(smoothed: Smoothed, quality: Quality): { label: string; reasons: QualityReason[] } {
    const held = this.options.labels[smoothed.index]!;
    const confident = smoothed.confidence >= this.options.unknownBelow;
    const reasons = confident ? quality.reasons : [...quality.reasons, 'low-confidence' as const];
    const label = confident && passesGate(quality, held, this.rules) ? held : UNKNOWN;
    return { label, reasons };
  }
}

/** Float rounding may carry a probability a hair outside 0…1, which the schema refuses. */
function clamp01(x: number): number {
  return x < 0 ? 0 : x > 1 ? 1 : x;
}
