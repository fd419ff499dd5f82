/**
 * The queue before one subscriber's socket: bounded, whatever the subscriber does.
 *
 * Only a little is handed to the socket at a time; the rest waits here, where it can still be dropped. When the queue
 * is full the oldest `frames` go first, then the oldest predictions; everything else is never dropped, and a subscriber
 * that lets even that pile up is cut off.
 */
import type { OutgoingMessage } from './outgoing.js';
import type { ServeLimits } from './options.js';

/** The socket, as far as the outbox needs it. */
export interface Wire {
  /** Bytes accepted but not yet taken by the operating system. */
  readonly bufferedBytes: number;
  /** `done` is called once the operating system has taken the bytes, or with the reason why it never will. */
  send(data: Buffer, done: (error?: Error | null) => void): void;
}

export interface OutboxEvents {
  dropped(kind: OutgoingMessage['kind']): void;
  sent(kind: OutgoingMessage['kind']): void;
  /** Makes the message that tells the subscriber; undefined when it doesn't want to know. */
  dropReport(count: number, total: number): OutgoingMessage | undefined;
  /** What may not be dropped fills the queue by itself. */
  overflow(): void;
}

type OutboxLimits = Pick<ServeLimits, 'highWaterBytes' | 'maxQueuedMessages' | 'maxQueuedBytes' | 'dropReportMs'>;

export class Outbox {
  private readonly frames = new Lane();
  private readonly predictions = new Lane();
  private readonly kept = new Lane();
  private order = 0;
  private queuedMessages = 0;
  private queuedBytes = 0;
  private inFlight = 0;
  private closed = false;
  private unreported = 0;
  private totalDropped = 0;
  private firstUnreportedMs = 0;
  private lastProgressMs: number;

  /** @param now monotonic milliseconds. */
  constructor(
    private readonly wire: Wire,
    private readonly limits: OutboxLimits,
    private readonly events: OutboxEvents,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.lastProgressMs = now();
  }

  /** Sends the message, now or when the socket has room. */
  push(message: OutgoingMessage): void {
    if (this.closed) return;
    if (!this.isPending) this.lastProgressMs = this.now();
    this.enqueue(message);
    this.pump();
    this.trim();
    this.reportDrops();
  }

  /** For how long waiting messages have made no progress, in ms; 0 when nothing waits. */
  get stalledMs(): number {
    return this.isPending ? this.now() - this.lastProgressMs : 0;
  }

  /** Messages waiting here (not those in the socket's buffer) and their bytes. */
  get queued(): { messages: number; bytes: number } {
    return { messages: this.queuedMessages, bytes: this.queuedBytes };
  }

  /** Forgets what waits and accepts nothing more. */
  close(): void {
    this.closed = true;
    for (const lane of [this.frames, this.predictions, this.kept]) lane.clear();
    this.queuedMessages = 0;
    this.queuedBytes = 0;
  }

  private get isPending(): boolean {
    return this.queuedMessages > 0 || this.inFlight > 0;
  }

  private enqueue(message: OutgoingMessage): void {
    this.laneOf(message.kind).push({ order: this.order++, message });
    this.queuedMessages += 1;
    this.queuedBytes += message.data.length;
  }

  private laneOf(kind: OutgoingMessage['kind']): Lane {
    return kind === 'frames' ? this.frames : kind === 'prediction' ? this.predictions : this.kept;
  }

  private pump(): void {
    while (this.queuedMessages > 0 && this.wire.bufferedBytes < this.limits.highWaterBytes) {
      const message = this.take(this.oldestLane());
      this.inFlight += 1;
      this.wire.send(message.data, (error) => this.settled(message.kind, error));
    }
  }

  private settled(kind: OutgoingMessage['kind'], error: Error | null | undefined): void {
    this.inFlight -= 1;
    // Node says null, not undefined, when all went well.
    if (error || this.closed) return;
    this.lastProgressMs = this.now();
    this.events.sent(kind);
    this.pump();
    this.reportDrops();
  }

  private oldestLane(): Lane {
    return [this.frames, this.predictions, this.kept].reduce((oldest, lane) => (lane.oldestOrder < oldest.oldestOrder ? lane : oldest));
  }

  private take(lane: Lane): OutgoingMessage {
    const message = lane.shift();
    this.queuedMessages -= 1;
    this.queuedBytes -= message.data.length;
    return message;
  }

  private trim(): void {
    while (this.queuedMessages > this.limits.maxQueuedMessages || this.queuedBytes > this.limits.maxQueuedBytes) {
      const lane = this.frames.isEmpty ? this.predictions : this.frames;
      if (lane.isEmpty) {
        this.close();
        return this.events.overflow();
      }
      this.events.dropped(this.take(lane).kind);
      if (this.unreported === 0) this.firstUnreportedMs = this.now();
      this.unreported += 1;
      this.totalDropped += 1;
    }
  }

  /** Once the queue has drained, or at times while it never does. */
  private reportDrops(): void {
    if (this.closed || this.unreported === 0) return;
    if (this.queuedMessages > 0 && this.now() - this.firstUnreportedMs < this.limits.dropReportMs) return;
    const report = this.events.dropReport(this.unreported, this.totalDropped);
    this.unreported = 0;
    if (report === undefined) return;
    this.enqueue(report);
    this.pump();
  }
}

interface Waiting {
  readonly order: number;
  readonly message: OutgoingMessage;
  next?: Waiting;
}

/** First in, first out; a linked list, so that what is taken is free at once. */
class Lane {
  private oldest: Waiting | undefined;
  private newest: Waiting | undefined;

  get isEmpty(): boolean {
    return this.oldest === undefined;
  }

  /** Infinity when empty. */
  get oldestOrder(): number {
    return this.oldest?.order ?? Infinity;
  }

  push(entry: Waiting): void {
    if (this.newest === undefined) this.oldest = entry;
    else this.newest.next = entry;
    this.newest = entry;
  }

  /** The lane must not be empty. */
  shift(): OutgoingMessage {
    const { message, next } = this.oldest as Waiting;
    this.oldest = next;
    if (next === undefined) this.newest = undefined;
    return message;
  }

  clear(): void {
    this.oldest = undefined;
    this.newest = undefined;
  }
}
