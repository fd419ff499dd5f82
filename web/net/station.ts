/**
 * The page's two connections to its station: one for all streams' messages, and one for the display data (`frames`) of
 * the selected stream only, so that thirty streams don't send thirty spectrograms.
 */
import type { Subscription } from 'rxjs';
import { connect, type ConnectionState, type StationConnection } from '../../src/client/index.js';
import { STREAM_PATH, type Frames, type ServerMessage } from '../../src/protocol/messages.js';
import type { Connection } from '../state/model.js';

export interface StationListener {
  message(message: ServerMessage): void;
  frames(message: Frames): void;
  connection(connection: Connection): void;
  /** A message that does not fit the protocol. */
  ignored(reason: string): void;
}

/** A page that is being watched should not wait long for a station that is back. */
const BACKOFF = { initialDelayMs: 500, maxDelayMs: 8000 };

export class Station {
  private readonly display: StationConnection;
  private displaying: Subscription | undefined;
  private shown: string | undefined;
  private open = false;

  /** @param page address of the page; its `token` query parameter goes with the connections */
  constructor(
    page: URL,
    private readonly listener: StationListener,
  ) {
    const url = new URL(STREAM_PATH, page);
    const token = page.searchParams.get('token') ?? undefined;
    const options = { ...BACKOFF, ...(token === undefined ? {} : { token }) };
    this.display = connect(url, { ...options, kinds: ['frames'], streams: [] });
    this.display.violations$.subscribe((violation) => this.listener.ignored(violation.message));
    this.listenToMessages(connect(url, options));
  }

  /** Chooses the stream whose display data is received. */
  show(streamId: string): void {
    if (this.shown === streamId) return;
    this.shown = streamId;
    this.display.subscribe({ kinds: ['frames'], streams: [streamId] });
    this.followConnection();
  }

  /** Display data is asked for only while the other connection stands: one of them trying again is enough. */
  private followConnection(): void {
    if (!this.open) {
      this.displaying?.unsubscribe();
      this.displaying = undefined;
    } else if (this.shown !== undefined && this.displaying === undefined) {
      this.displaying = this.display.messages$.subscribe({
        next: (message) => {
          if (message.type === 'frames') this.listener.frames(message);
        },
        // The other connection met the same protocol and says so.
        error: () => undefined,
      });
    }
  }

  private listenToMessages(connection: StationConnection): void {
    connection.state$.subscribe((state) => {
      const shown = connectionOf(state, Date.now());
      if (shown !== undefined) this.listener.connection(shown);
      this.open = state.state === 'open';
      this.followConnection();
    });
    connection.violations$.subscribe((violation) => this.listener.ignored(violation.message));
    connection.messages$.subscribe({
      next: (message) => this.listener.message(message),
      error: (error: unknown) =>
        this.listener.connection({ state: 'failed', reason: error instanceof Error ? error.message : String(error) }),
    });
  }
}

function connectionOf(state: ConnectionState, nowMs: number): Connection | undefined {
  switch (state.state) {
    case 'idle':
      return undefined;
    case 'connecting':
      return { state: 'connecting' };
    case 'open':
      return { state: 'open' };
    case 'waiting':
      return { state: 'waiting', retryAtMs: nowMs + state.retryInMs, reason: state.reason };
  }
}
