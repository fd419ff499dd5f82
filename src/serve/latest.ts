/** The newest `status` and `prediction` of each stream, for those who join late. */
import type { OutgoingMessage } from './outgoing.js';

/** Streams remembered; beyond it the one that has been quiet longest is forgotten. */
const MAX_STREAMS = 1024;

type Kept = { status?: OutgoingMessage; prediction?: OutgoingMessage };

export class Latest {
  private readonly byStream = new Map<string, Kept>();

  remember(message: OutgoingMessage): void {
    const { kind, streamId } = message;
    if (streamId === undefined || (kind !== 'status' && kind !== 'prediction')) return;
    const kept = { ...this.byStream.get(streamId), [kind]: message };
    // Reinserted, so that the map's order is that of the last change.
    this.byStream.delete(streamId);
    this.byStream.set(streamId, kept);
    if (this.byStream.size > MAX_STREAMS) this.byStream.delete(this.byStream.keys().next().value as string);
  }

  /** For each stream its status, then its prediction. */
  *[Symbol.iterator](): Generator<OutgoingMessage> {
    for (const { status, prediction } of this.byStream.values()) {
      if (status !== undefined) yield status;
      if (prediction !== undefined) yield prediction;
    }
  }
}
