/** Features as an operator: conditioned sound → display frames, model windows, gaps, end. */
import { Observable, takeWhile } from 'rxjs';
import { toStageError } from '../common/stage-error.js';
import type { ConditionedItem } from '../condition/types.js';
import { FeatureStream } from './feature-stream.js';
import type { FeatureItem, FeatureParams } from './types.js';

/**
 * One stream in, one stream out; each subscription has its own state.
 *
 * Errors with a StageError: FEATURES_PARAM_INVALID at subscription, FEATURES_FAILED for a defect of this stage.
 */
export function features(params: FeatureParams): (source: Observable<ConditionedItem>) => Observable<FeatureItem> {
  return (source) =>
    new Observable((subscriber) => {
      const stream = new FeatureStream(params);
      const emit = (item: FeatureItem) => subscriber.next(item);
      // A source that emits while it is being subscribed to can't be reached by unsubscribing: this stops it.
      return source.pipe(takeWhile(() => !subscriber.closed)).subscribe({
        next: (item) => {
          try {
            stream.push(item, emit);
          } catch (thrown) {
            subscriber.error(toStageError(thrown, { code: 'FEATURES_FAILED', stage: 'features', streamId: item.streamId }));
          }
        },
        error: (error) => subscriber.error(error),
        complete: () => subscriber.complete(),
      });
    });
}
