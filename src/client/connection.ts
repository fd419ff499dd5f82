/**
 * A subscriber of one station: connects, checks what comes, and connects again by itself.
 *
 * Works in browsers, in Node 22 and later (global WebSocket), and in Node 20 with the `ws` package's WebSocket injected.
 */
import { BehaviorSubject, Observable, Subject, share, type Subscription, timer } from 'rxjs';
import {
  PROTOCOL_VERSION,
  SUBPROTOCOL,
  type ServerMessage,
  type Subscribe,
  type SubscribableKind,
} from '../protocol/messages.js';
import { parseServerMessage, type Violation } from '../protocol/validate.js';
import { backoffDelayMs, type Backoff } from './backoff.js';

/** What a subscriber wants; an absent member means all streams, or all kinds but `frames`. */
export interface Wanted {
  streams?: readonly string[];
  kinds?: readonly SubscribableKind[];
}

/** What this module needs of a WebSocket; browsers, Node and `ws` all offer it. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(): void;
}
export type WebSocketConstructor = new (url: string, protocols: string) => WebSocketLike;

export interface ConnectOptions extends Wanted, Partial<Backoff> {
  /** Defaults to the global one; on Node 20 pass the `WebSocket` of the `ws` package. */
  WebSocket?: WebSocketConstructor;
  /** Sent as `?token=`, since a browser can't set headers on a WebSocket. */
  token?: string;
  /** Reconnect when nothing at all has come for so long, in ms; 0 (default) = trust the connection. */
  silenceTimeoutMs?: number;
}

/** Where the connection stands. */
export type ConnectionState =
  /** Nobody listens to `messages$`. */
  | { state: 'idle' }
  /** `attempt` counts from 0 since the last hello. */
  | { state: 'connecting'; attempt: number }
  /** `hello` has come. */
  | { state: 'open' }
  /** Lost or refused; tries again in `retryInMs`. */
  | { state: 'waiting'; attempt: number; retryInMs: number; reason: string };

export interface StationConnection {
  /**
   * Everything the station sends, `hello` included on each (re)connection. Connects with the first subscriber and
   * closes with the last. Never completes; errors only where trying again can't help (protocol of another major version).
   */
  readonly messages$: Observable<ServerMessage>;
  /** Current state first, then each change. */
  readonly state$: Observable<ConnectionState>;
  /** Messages that did not fit the protocol; they are left out of `messages$`. */
  readonly violations$: Observable<Violation>;
  /** Replaces what is received, now and after each reconnection. */
  subscribe(wanted: Wanted): void;
}

/**
 * Connects to a station.
 *
 * @param url `ws:`, `wss:`, `http:` or `https:` address of the stream, e.g. `ws://127.0.0.1:8600/v1/stream`.
 * @throws TypeError when there is no WebSocket in this runtime and none is given, or the address is malformed.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): StationConnection {
  const WebSocket = options.WebSocket ?? (globalThis as { WebSocket?: unknown }).WebSocket;
  if (WebSocket === undefined) {
    throw new TypeError('This runtime has no WebSocket: pass the one of the `ws` package as options.WebSocket.');
  }
  const state$ = new BehaviorSubject<ConnectionState>({ state: 'idle' });
  const violations$ = new Subject<Violation>();
  const context: Context = {
    address: addressOf(url, options.token),
    WebSocket: WebSocket as WebSocketConstructor,
    backoff: {
      initialDelayMs: options.initialDelayMs ?? 500,
      maxDelayMs: options.maxDelayMs ?? 15_000,
      random: options.random ?? Math.random,
    },
    silenceTimeoutMs: options.silenceTimeoutMs ?? 0,
    wanted: pickWanted(options),
    state$,
    violations$,
    current: undefined,
  };
  return {
    messages$: new Observable<ServerMessage>((subscriber) => {
      const session = new Session(context, (message) => subscriber.next(message), (error) => subscriber.error(error));
      session.open();
      return () => session.end();
    }).pipe(share()),
    state$: state$.asObservable(),
    violations$: violations$.asObservable(),
    subscribe(wanted) {
      context.wanted = pickWanted(wanted);
      context.current?.sendSubscription();
    },
  };
}

/** What one `connect` shares with its sessions. */
interface Context {
  readonly address: string;
  readonly WebSocket: WebSocketConstructor;
  readonly backoff: Backoff;
  readonly silenceTimeoutMs: number;
  readonly state$: BehaviorSubject<ConnectionState>;
  readonly violations$: Subject<Violation>;
  wanted: Wanted;
  current: Session | undefined;
}

/** From the first subscriber of `messages$` to the last: any number of sockets, one after the other. */
class Session {
  private socket: WebSocketLike | undefined;
  private timers: Subscription | undefined;
  private attempt = 0;
  private greeted = false;

  constructor(
    private readonly context: Context,
    private readonly emit: (message: ServerMessage) => void,
    private readonly fail: (error: Error) => void,
  ) {
    context.current = this;
  }

  open(): void {
    this.greeted = false;
    this.context.state$.next({ state: 'connecting', attempt: this.attempt });
    const socket = new this.context.WebSocket(this.context.address, SUBPROTOCOL);
    this.socket = socket;
    let trouble = '';
    socket.onmessage = (event: { data: unknown }) => this.receive(event.data);
    // Browsers tell nothing here; `ws` says e.g. `Unexpected server response: 401`.
    socket.onerror = (event: { message?: unknown }) => {
      if (typeof event.message === 'string') trouble = event.message;
    };
    socket.onclose = (event: { code: number; reason: string }) => this.lost(event.reason || trouble || `closed with code ${event.code}`);
    this.watchSilence();
  }

  end(): void {
    this.release();
    this.context.current = undefined;
    this.context.state$.next({ state: 'idle' });
  }

  sendSubscription(): void {
    if (!this.greeted || this.socket === undefined) return;
    const { streams, kinds } = this.context.wanted;
    const message: Subscribe = {
      type: 'subscribe',
      ...(streams === undefined ? {} : { streams: [...streams] }),
      ...(kinds === undefined ? {} : { kinds: [...kinds] }),
    };
    this.socket.send(JSON.stringify(message));
  }

  private receive(data: unknown): void {
    this.watchSilence();
    const parsed = parseServerMessage(String(data), { allowUnknownProperties: true });
    if (!parsed.ok) return this.context.violations$.next(parsed.violation);
    const message = parsed.message;
    if (message.type === 'hello') this.greet(message.protocol);
    // Until the station has read the subscription it sends by its own default.
    if (this.greeted && isWanted(message, this.context.wanted)) this.emit(message);
  }

  private greet(protocol: string): void {
    if (majorOf(protocol) !== majorOf(PROTOCOL_VERSION)) {
      this.release();
      this.fail(new Error(`The station speaks protocol ${protocol}, this client ${PROTOCOL_VERSION}: reload the page or update the client.`));
      return;
    }
    this.greeted = true;
    this.attempt = 0;
    this.context.state$.next({ state: 'open' });
    if (this.context.wanted.streams !== undefined || this.context.wanted.kinds !== undefined) this.sendSubscription();
  }

  private lost(reason: string): void {
    this.release();
    const retryInMs = backoffDelayMs(this.attempt, this.context.backoff);
    this.attempt += 1;
    this.context.state$.next({ state: 'waiting', attempt: this.attempt, retryInMs, reason });
    this.timers = timer(retryInMs).subscribe(() => this.open());
  }

  private watchSilence(): void {
    if (this.context.silenceTimeoutMs === 0) return;
    this.timers?.unsubscribe();
    this.timers = timer(this.context.silenceTimeoutMs).subscribe(() => this.lost(`silent for ${this.context.silenceTimeoutMs} ms`));
  }

  private release(): void {
    this.timers?.unsubscribe();
    const socket = this.socket;
    this.socket = undefined;
    this.greeted = false;
    if (socket === undefined) return;
    socket.onmessage = null;
    socket.onclose = null;
    // Not null: `ws` throws an `error` event that nobody listens to, as closing while connecting makes one.
    socket.onerror = () => undefined;
    socket.close();
  }
}

function pickWanted({ streams, kinds }: Wanted): Wanted {
  return { ...(streams === undefined ? {} : { streams }), ...(kinds === undefined ? {} : { kinds }) };
}

function isWanted(message: ServerMessage, wanted: Wanted): boolean {
  if (message.type === 'hello') return true;
  const kindWanted = wanted.kinds === undefined ? message.type !== 'frames' : wanted.kinds.includes(message.type);
  // Errors and drops of the connection itself belong to no stream.
  return kindWanted && (wanted.streams === undefined || message.streamId === undefined || wanted.streams.includes(message.streamId));
}

function addressOf(url: string | URL, token: string | undefined): string {
  const address = new URL(url);
  address.protocol = address.protocol.replace(/^http/, 'ws');
  if (token !== undefined) address.searchParams.set('token', token);
  return address.href;
}

function majorOf(version: string): string {
  return version.split('.')[0] ?? '';
}
