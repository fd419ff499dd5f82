/** Conditioning as an operator: PCM as it arrives → mono at the model's rate, finite, free of DC, gaps marked. */
import { Observable, takeWhile } from 'rxjs';
import type { CaptureItem } from '../capture/types.js';
import { toStageError } from '../common/stage-error.js';
import { Conditioner, type ConditionOptions } from './conditioner.js';
import type { ConditionedItem } from './types.js';

export type { ConditionOptions } from './conditioner.js';

/**
 * One stream in, one stream out; each subscription has its own filters. When the source completes, the rest of the
 * resampler and an `end` come before completion (no `end` when the source emitted nothing: it has no identity).
 *
 * Errors with a StageError: CONDITION_RATE_INVALID, CONDITION_RATE_CHANGED, CONDITION_CHANNEL_MISSING,
 * CONDITION_CHUNK_INVALID, CONDITION_OPTION_INVALID.
 */
export function condition(options: ConditionOptions): (source: Observable<CaptureItem>) => Observable<ConditionedItem> {
  return (source) =>
    new Observable((subscriber) => {
      const conditioner = new Conditioner(options);
      const emit = (item: ConditionedItem) => subscriber.next(item);
      // A source that emits while it is being subscribed to can't be reached by unsubscribing: this stops it.
      return source.pipe(takeWhile(() => !subscriber.closed)).subscribe({
        next: (item) => {
          try {
            conditioner.push(item, emit);
          } catch (thrown) {
            subscriber.error(toStageError(thrown, { code: 'CONDITION_FAILED', stage: 'condition', streamId: item.streamId }));
          }
        },
        error: (error) => subscriber.error(error),
        complete: () => {
          conditioner.end(emit);
          subscriber.complete();
        },
      });
    });
}
