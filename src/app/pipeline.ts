/**
 * The one way a stream takes from PCM to messages: condition → features → inference → labels. The live station,
 * `classify` and the benchmarks all run this; only source and pace differ.
 */
import { catchError, connect, EMPTY, filter, merge, mergeMap, type Observable, of, tap } from 'rxjs';
import type { CaptureItem } from '../capture/types.js';
import { condition } from '../condition/condition.js';
import { features } from '../features/features.js';
import type { FeatureItem, FeatureParams, FeatureWindow } from '../features/types.js';
import type { InferenceItem } from '../inference/types.js';
import { labelStream, type LabelOptions } from '../labels/label-stream.js';
import type { StationMessage } from '../protocol/messages.js';
import { Display } from './display.js';

export interface PipelineOptions {
  features: FeatureParams;
  /** Channel to listen to, from 0, or `mix`. */
  channel: 'mix' | number;
  labels: LabelOptions;
  /** Turns windows of one stream into probabilities, in order (InferenceService.infer). */
  infer: (windows$: Observable<FeatureWindow>) => Observable<InferenceItem>;
  /** Make `frames` messages too. */
  display: boolean;
  /** Told of every window before inference (parity tests). */
  onWindow?: (window: FeatureWindow) => void;
}

/** Cold: each subscription has its own filters, frames and smoothing. Completes when the source does and all windows are labelled. */
export function pipeline(items$: Observable<CaptureItem>, options: PipelineOptions): Observable<StationMessage> {
  const { mel, dcBlockHz } = options.features;
  const display = options.display ? new Display(mel.sampleRateHz) : null;
  return items$.pipe(
    condition({ modelRateHz: mel.sampleRateHz, dcBlockHz, channel: options.channel }),
    tap((item) => display?.listen(item)),
    features(options.features),
    // Both branches must be in place before the first item flows, or a source that emits at once would outrun one.
    // A failure of the source comes with the predictions, once the windows before it are labelled.
    connect((items) => merge(predictions(items, options), sideMessages(items, display).pipe(catchError(() => EMPTY)))),
  );
}

function predictions(items$: Observable<FeatureItem>, options: PipelineOptions): Observable<StationMessage> {
  return items$.pipe(
    filter((item): item is FeatureWindow => item.kind === 'window'),
    tap((window) => options.onWindow?.(window)),
    options.infer,
    labelStream(options.labels),
  );
}

function sideMessages(items$: Observable<FeatureItem>, display: Display | null): Observable<StationMessage> {
  return items$.pipe(
    mergeMap((item): Observable<StationMessage> => {
      if (item.kind === 'frames') return display ? of(display.message(item)) : EMPTY;
      if (item.kind !== 'gap') return EMPTY;
      const { streamId, startSample, lengthSamples, sampleRateHz, reason } = item;
      return of({ type: 'gap', streamId, startSample, lengthSamples, sampleRateHz, reason, time: new Date(item.capturedAtMs).toISOString() });
    }),
  );
}
