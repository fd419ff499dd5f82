/** One subscriber: what it wants, what it is sent, and what happens when it misbehaves. */
import type { RawData, WebSocket } from 'ws';
import type { Logger } from '../common/log.js';
import type { Drop, ErrorMessage, Hello, ServerMessage, Subscribe } from '../protocol/messages.js';
import { parseClientMessage } from '../protocol/validate.js';
import { Interest } from './interest.js';
import type { Latest } from './latest.js';
import type { ServeMetrics } from './metrics.js';
import type { ServeLimits } from './options.js';
import { encode, type OutgoingMessage } from './outgoing.js';
import { Outbox } from './outbox.js';

/** Close codes of RFC 6455 that the server uses. */
const CLOSE = { goingAway: 1001, unsupported: 1003, policy: 1008, internal: 1011 } as const;
/** Pings left unanswered before the peer counts as dead. */
const MAX_UNANSWERED_PINGS = 2;

/** What all connections of one server share. */
export interface ConnectionContext {
  readonly limits: ServeLimits;
  readonly latest: Latest;
  readonly metrics: ServeMetrics;
}

export class SubscriberConnection {
  private interest = new Interest();
  private readonly outbox: Outbox;
  private badMessages = 0;
  private unansweredPings = 0;
  private lastPingMs = performance.now();
  private second = { startMs: 0, messages: 0 };
  private closing = false;

  constructor(
    private readonly socket: WebSocket,
    private readonly context: ConnectionContext,
    private readonly logger: Logger,
  ) {
    const { metrics, limits } = context;
    const wire = {
      get bufferedBytes() {
        return socket.bufferedAmount;
      },
      send: (data: Buffer, done: (error?: Error | null) => void) => socket.send(data, { binary: false }, done),
    };
    this.outbox = new Outbox(wire, limits, {
      dropped: (kind) => metrics.dropped.add(1, kind),
      sent: (kind) => metrics.sent.add(1, kind),
      dropReport: (count, total) => this.dropReport(count, total),
      overflow: () => this.cut('overflow', 'what may not be dropped fills its queue'),
    });
    socket.on('message', (data, isBinary) => this.receive(data, isBinary));
    socket.on('pong', () => (this.unansweredPings = 0));
    // `ws` has already answered with the fitting close code (1009 when too big, 1007 when not UTF-8, 1002 otherwise).
    socket.on('error', (error: Error & { code?: string }) => {
      if (error.code?.startsWith('WS_ERR')) metrics.badMessages.add(1);
      logger.info({ code: error.code, reason: error.message }, 'subscriber broke the WebSocket protocol or its connection');
    });
    socket.on('close', () => this.outbox.close());
  }

  /** First words: `hello`, then the newest status and prediction of each stream. */
  greet(hello: Hello): void {
    const encoded = encode(hello);
    if (!encoded.ok) {
      this.logger.error({ violation: encoded.violation.message }, 'the station made an invalid hello');
      return this.close(CLOSE.internal, 'invalid hello');
    }
    this.outbox.push(encoded.message);
    for (const message of this.context.latest) this.deliver(message);
  }

  /** Sends a message if this subscriber wants it. */
  deliver(message: OutgoingMessage): void {
    if (!this.closing && this.interest.wants(message)) this.outbox.push(message);
  }

  /** Pings, and cuts off a peer that is dead or stuck. Called about every second. */
  tick(nowMs: number): void {
    const { stallTimeoutMs, heartbeatMs } = this.context.limits;
    if (this.outbox.stalledMs >= stallTimeoutMs) return this.cut('stalled', `has taken nothing for ${stallTimeoutMs} ms`);
    if (nowMs - this.lastPingMs < heartbeatMs) return;
    if (this.unansweredPings >= MAX_UNANSWERED_PINGS) return this.cut('dead', `left ${MAX_UNANSWERED_PINGS} pings unanswered`);
    this.lastPingMs = nowMs;
    this.unansweredPings += 1;
    if (this.socket.readyState === this.socket.OPEN) this.socket.ping();
  }

  /** Says goodbye; `ws` cuts off a peer that doesn't answer. */
  close(code: number, reason: string): void {
    this.closing = true;
    this.socket.close(code, reason);
  }

  shutDown(): void {
    this.close(CLOSE.goingAway, 'the station is shutting down');
  }

  terminate(): void {
    this.closing = true;
    this.socket.terminate();
  }

  private receive(data: RawData, isBinary: boolean): void {
    if (this.closing) return;
    this.unansweredPings = 0;
    if (isBinary) {
      this.complain('Binary messages are not part of this protocol.');
      return this.closeFor('binary', CLOSE.unsupported, 'text messages only');
    }
    if (this.isFlood()) return this.closeFor('flood', CLOSE.policy, `more than ${this.context.limits.maxMessagesPerSecond} messages in a second`);
    const parsed = parseClientMessage((data as Buffer).toString('utf8'));
    if (parsed.ok) this.subscribe(parsed.message);
    else this.complain(parsed.violation.message);
  }

  /** Also brings the newest status and prediction of what was not wanted before. */
  private subscribe(subscription: Subscribe): void {
    const before = this.interest;
    this.interest = new Interest(subscription);
    this.logger.debug({ streams: subscription.streams, kinds: subscription.kinds }, 'subscription');
    for (const message of this.context.latest) if (!before.wants(message)) this.deliver(message);
  }

  private isFlood(): boolean {
    const now = performance.now();
    if (now - this.second.startMs > 1000) this.second = { startMs: now, messages: 0 };
    this.second.messages += 1;
    return this.second.messages > this.context.limits.maxMessagesPerSecond;
  }

  private complain(message: string): void {
    this.badMessages += 1;
    this.context.metrics.badMessages.add(1);
    this.logger.info({ violation: message, badMessages: this.badMessages }, 'subscriber sent a bad message');
    if (this.badMessages > this.context.limits.maxBadMessages) {
      return this.closeFor('abuse', CLOSE.policy, `more than ${this.context.limits.maxBadMessages} bad messages`);
    }
    // An answer to this subscriber's own message, so it comes whatever kinds are subscribed.
    this.push(badMessage(message));
  }

  private closeFor(why: string, code: number, reason: string): void {
    if (this.closing) return;
    this.context.metrics.closed.add(1, why);
    this.logger.warn({ why, code }, `subscriber closed: ${reason}`);
    this.close(code, reason);
  }

  /** For peers that wouldn't read a goodbye. */
  private cut(why: string, reason: string): void {
    this.context.metrics.closed.add(1, why);
    this.logger.warn({ why, ...this.outbox.queued }, `subscriber cut off: it ${reason}`);
    this.terminate();
  }

  private dropReport(count: number, total: number): OutgoingMessage | undefined {
    const reason = 'This subscriber reads too slowly.';
    const drop: Drop = { type: 'drop', kind: 'message', count, total, time: new Date().toISOString(), reason };
    const encoded = encode(drop);
    return encoded.ok && this.interest.wants(encoded.message) ? encoded.message : undefined;
  }

  private push(message: ServerMessage): void {
    const encoded = encode(message);
    if (encoded.ok) this.outbox.push(encoded.message);
  }
}

function badMessage(message: string): ErrorMessage {
  return {
    type: 'error',
    code: 'SERVE_BAD_MESSAGE',
    stage: 'serve',
    message,
    remedy: 'Send a `subscribe` message as docs/protocol.md describes.',
    retryable: false,
    time: new Date().toISOString(),
  };
}
