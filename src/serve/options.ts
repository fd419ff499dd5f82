/** What a station server is given, its limits and their defaults. */
import type { Observable } from 'rxjs';
import type { Logger } from '../common/log.js';
import type { Hello, StationMessage, StreamState } from '../protocol/messages.js';

/** What readiness is judged by. */
export interface StationHealth {
  modelLoaded: boolean;
  streams: readonly { streamId: string; state: StreamState }[];
  /** Further reasons why the station isn't ready, as sentences. */
  problems?: readonly string[];
}

export interface ServeLimits {
  /** Largest message a subscriber may send, in bytes; a larger one closes the connection with 1009. */
  maxPayloadBytes: number;
  /** Bad messages that are answered; the next one closes the connection with 1008. */
  maxBadMessages: number;
  /** Messages of one subscriber within a second; more closes the connection with 1008. */
  maxMessagesPerSecond: number;
  /** Subscribers at a time; more are refused with 503. */
  maxConnections: number;
  /** Bytes handed to the operating system's socket before messages wait in the subscriber's queue. */
  highWaterBytes: number;
  /** Waiting messages of one subscriber; beyond it the oldest are dropped. */
  maxQueuedMessages: number;
  /** Waiting bytes of one subscriber; beyond it the oldest are dropped. */
  maxQueuedBytes: number;
  /** Under lasting overload, a subscriber is told of its drops at least this often, in ms. */
  dropReportMs: number;
  /** A subscriber whose waiting messages make no progress for so long is cut off, in ms. */
  stallTimeoutMs: number;
  /** Distance between pings in ms; a peer that leaves two unanswered is cut off. */
  heartbeatMs: number;
  /** How long `close()` waits for subscribers to answer the closing handshake, in ms. */
  closeTimeoutMs: number;
}

export const DEFAULT_LIMITS: ServeLimits = {
  maxPayloadBytes: 16 * 1024,
  maxBadMessages: 20,
  maxMessagesPerSecond: 50,
  maxConnections: 512,
  highWaterBytes: 64 * 1024,
  maxQueuedMessages: 512,
  maxQueuedBytes: 1024 * 1024,
  dropReportMs: 2000,
  stallTimeoutMs: 30_000,
  heartbeatMs: 15_000,
  closeTimeoutMs: 2000,
};

export interface StationServerOptions {
  /** Address to listen on; beyond loopback only with `tokens` or `allowOpen`. */
  host: string;
  /** 0 = any free port. */
  port: number;
  /** The greeting for a new subscriber; also the source of /v1/streams and /v1/model. */
  hello: () => Hello;
  /** What the station publishes; the server subscribes in `start()`. */
  messages$: Observable<StationMessage>;
  health: () => StationHealth;
  logger: Logger;
  /** Folder of the built dashboard; default dist/web. */
  webRoot?: string;
  /** When given (each ≥ 8 characters), the stream and the data routes need one of them. */
  tokens?: readonly string[];
  /** Listen beyond loopback without tokens. Default false. */
  allowOpen?: boolean;
  /** Web origins besides the station's own whose pages may connect, e.g. `https://ward.example`. */
  allowedOrigins?: readonly string[];
  /** Host names besides this machine's own and IP addresses under which the station may be addressed. */
  allowedHosts?: readonly string[];
  limits?: Partial<ServeLimits>;
}
