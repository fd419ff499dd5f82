/** What one subscriber wants to receive. */
import type { ServerMessage, Subscribe } from '../protocol/messages.js';
import type { OutgoingMessage } from './outgoing.js';

export class Interest {
  private readonly streams: ReadonlySet<string> | undefined;
  private readonly kinds: ReadonlySet<ServerMessage['type']> | undefined;

  /** Without a subscription: all streams and all kinds but `frames`. */
  constructor(subscription?: Subscribe) {
    this.streams = subscription?.streams && new Set(subscription.streams);
    this.kinds = subscription?.kinds && new Set(subscription.kinds);
  }

  wants({ kind, streamId }: Pick<OutgoingMessage, 'kind' | 'streamId'>): boolean {
    if (this.kinds === undefined ? kind === 'frames' : !this.kinds.has(kind)) return false;
    return this.streams === undefined || streamId === undefined || this.streams.has(streamId);
  }
}
