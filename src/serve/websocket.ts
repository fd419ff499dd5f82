/** The stream endpoint: who may connect, all connections, heartbeat and shutdown. */
import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Logger } from '../common/log.js';
import { STREAM_PATH, SUBPROTOCOL, type Hello } from '../protocol/messages.js';
import type { Access } from './access.js';
import { SubscriberConnection, type ConnectionContext } from './connection.js';
import type { OutgoingMessage } from './outgoing.js';

interface RefusedUpgrade {
  status: number;
  code: string;
  message: string;
  remedy: string;
}

export class StreamEndpoint {
  private readonly server: WebSocketServer;
  private readonly connections = new Set<SubscriberConnection>();
  private readonly ticker: NodeJS.Timeout;
  private nextId = 1;
  private closing = false;

  constructor(
    private readonly context: ConnectionContext,
    private readonly access: Access,
    private readonly hello: () => Hello,
    private readonly logger: Logger,
  ) {
    const { maxPayloadBytes, stallTimeoutMs, heartbeatMs, closeTimeoutMs } = context.limits;
    this.server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: maxPayloadBytes,
      // Small messages over a local network: compressing costs more than it saves, and memory per connection.
      perMessageDeflate: false,
      closeTimeout: closeTimeoutMs,
      handleProtocols: (offered: Set<string>) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    } as ConstructorParameters<typeof WebSocketServer>[0]);
    this.ticker = setInterval(() => this.tick(), Math.min(1000, stallTimeoutMs / 2, heartbeatMs / 2));
    this.ticker.unref();
  }

  /** For the HTTP server's `upgrade` event. */
  readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const refused = this.refuse(request);
    if (refused === undefined) this.server.handleUpgrade(request, socket, head, (client) => this.accept(client, request));
    else this.answerRefusal(refused, socket);
  };

  /** Sends a message to all who want it. */
  broadcast(message: OutgoingMessage): void {
    for (const connection of this.connections) connection.deliver(message);
  }

  /** Says goodbye to all; those who don't answer within closeTimeoutMs are cut off. */
  async close(): Promise<void> {
    this.closing = true;
    clearInterval(this.ticker);
    for (const connection of this.connections) connection.shutDown();
    const deadline = performance.now() + this.context.limits.closeTimeoutMs;
    while (this.connections.size > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
    for (const connection of this.connections) connection.terminate();
  }

  private tick(): void {
    const now = performance.now();
    for (const connection of this.connections) connection.tick(now);
  }

  private refuse(request: IncomingMessage): RefusedUpgrade | undefined {
    const path = request.url?.split('?')[0];
    if (path !== STREAM_PATH) {
      return { status: 404, code: 'SERVE_NOT_FOUND', message: 'No stream is served at this path.', remedy: `Connect to ${STREAM_PATH}.` };
    }
    const refusal = this.access.refuse(request);
    if (refusal !== undefined) return refusal;
    const offered = request.headers['sec-websocket-protocol'];
    if (offered !== undefined && !offered.split(',').some((name) => name.trim() === SUBPROTOCOL)) {
      return {
        status: 400,
        code: 'SERVE_SUBPROTOCOL_UNKNOWN',
        message: `None of the offered subprotocols (${offered.slice(0, 100)}) is spoken here.`,
        remedy: `Offer ${SUBPROTOCOL}, or none.`,
      };
    }
    const { maxConnections } = this.context.limits;
    if (this.closing || this.connections.size >= maxConnections) {
      return {
        status: 503,
        code: 'SERVE_TOO_MANY_CONNECTIONS',
        message: this.closing ? 'The station is shutting down.' : `${maxConnections} subscribers are connected, the most allowed.`,
        remedy: 'Try again later.',
      };
    }
    return undefined;
  }

  private answerRefusal({ status, ...error }: RefusedUpgrade, socket: Duplex): void {
    this.context.metrics.refused.add(1, error.code);
    this.logger.info({ status, ...error }, 'connection refused');
    const body = JSON.stringify({ error });
    socket.on('error', () => socket.destroy());
    socket.once('finish', () => socket.destroy());
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n${status === 401 ? 'WWW-Authenticate: Bearer\r\n' : ''}\r\n${body}`,
    );
  }

  private accept(client: WebSocket, request: IncomingMessage): void {
    const logger = this.logger.child({ connection: this.nextId++ });
    const connection = new SubscriberConnection(client, this.context, logger);
    const { metrics } = this.context;
    this.connections.add(connection);
    metrics.connectionsTotal.add(1);
    metrics.connections.value = this.connections.size;
    client.once('close', (code) => {
      this.connections.delete(connection);
      metrics.connections.value = this.connections.size;
      logger.info({ code }, 'subscriber left');
    });
    logger.info({ from: request.socket.remoteAddress }, 'subscriber joined');
    try {
      connection.greet(this.hello());
    } catch (error) {
      logger.error({ err: error }, 'the station could not greet');
      connection.close(1011, 'the station could not greet');
    }
  }
}
