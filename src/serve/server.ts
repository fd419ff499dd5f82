/** One station's server: HTTP and WebSocket on one port, fed by what the station publishes. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Subscription } from 'rxjs';
import type { Logger } from '../common/log.js';
import { packageRoot } from '../common/paths.js';
import type { StationMessage } from '../protocol/messages.js';
import { Access } from './access.js';
import { listenError, serveError } from './errors.js';
import { httpHandler } from './http.js';
import { Latest } from './latest.js';
import { ServeMetrics } from './metrics.js';
import { DEFAULT_LIMITS, type StationServerOptions } from './options.js';
import { encode } from './outgoing.js';
import { StreamEndpoint } from './websocket.js';

/** Sockets for HTTP requests and refusals on top of the subscribers. */
const SPARE_SOCKETS = 256;

export interface StationServer {
  /**
   * Listens and begins to publish.
   *
   * @returns the dashboard's address, e.g. `http://127.0.0.1:8600`.
   * @throws StageError SERVE_PORT_IN_USE, SERVE_PORT_FORBIDDEN, SERVE_PORT_INVALID, SERVE_HOST_UNAVAILABLE, SERVE_LISTEN_FAILED.
   */
  start(): Promise<{ url: string; port: number }>;
  /** Says goodbye to all subscribers and frees the port. Safe to call twice, or before `start`. */
  close(): Promise<void>;
}

/**
 * Makes a server; it does nothing until `start`.
 *
 * @throws StageError SERVE_OPEN_REFUSED when it would listen beyond loopback without tokens or `allowOpen`;
 *   SERVE_TOKEN_TOO_SHORT.
 */
export function createStationServer(options: StationServerOptions): StationServer {
  const { host, port, hello, health, messages$, logger: parent, webRoot = join(packageRoot, 'dist', 'web') } = options;
  const { tokens = [], allowOpen = false, allowedOrigins = [], allowedHosts = [] } = options;
  const logger = parent.child({ stage: 'serve' });
  const access = new Access({ host, tokens, allowOpen, allowedOrigins, allowedHosts });
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const metrics = new ServeMetrics();
  const latest = new Latest();
  const endpoint = new StreamEndpoint({ limits, latest, metrics }, access, hello, logger);
  const authority = (): string => authorityOf(host, boundPort(server) ?? port);
  // Short header and request times: nobody has a reason to dawdle, and each open request holds memory.
  const server: Server = createServer(
    { headersTimeout: 10_000, requestTimeout: 15_000, connectionsCheckingInterval: 5000 },
    httpHandler({ hello, health, metrics, access, webRoot, logger, authority }),
  );
  server.on('upgrade', endpoint.upgrade);
  // Beyond the subscribers, who are refused politely, room for requests; sockets past that are closed unheard.
  server.maxConnections = limits.maxConnections + SPARE_SOCKETS;

  const publish = (message: StationMessage): void => {
    const encoded = encode(message);
    if (!encoded.ok) {
      metrics.invalid.add(1, String(message.type));
      logger.error({ code: 'SERVE_INVALID_MESSAGE', violation: encoded.violation.message }, 'the station made an invalid message; it is withheld');
      return;
    }
    metrics.observe(message);
    latest.remember(encoded.message);
    endpoint.broadcast(encoded.message);
  };

  let subscription: Subscription | undefined;
  return {
    async start() {
      await listen(server, host, port);
      server.on('error', (error) => logger.error({ err: error }, 'HTTP server error'));
      subscription = messages$.subscribe({
        next: publish,
        error: (error: unknown) => logger.error({ err: error }, 'the station stopped publishing'),
      });
      const url = `http://${authority()}`;
      logger.info({ url, guarded: access.guarded }, 'listening');
      return { url, port: boundPort(server) ?? port };
    },
    async close() {
      subscription?.unsubscribe();
      await endpoint.close();
      await stop(server, logger);
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw serveError('SERVE_PORT_INVALID', `${port} is no port; ports go from 0 to 65535.`, 'Give another with --port N (0 takes any free one).');
  }
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(listenError(error, host, port));
    server.once('error', fail);
    server.listen({ host, port }, () => {
      server.off('error', fail);
      resolve();
    });
  });
}

function stop(server: Server, logger: Logger): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => {
    server.close(() => {
      logger.info('closed');
      resolve();
    });
    server.closeAllConnections();
  });
}

function boundPort(server: Server): number | undefined {
  return (server.address() as AddressInfo | null)?.port;
}

/** Where a person can reach it: the unspecified address is no address to open. */
function authorityOf(host: string, port: number): string {
  if (host === '0.0.0.0' || host === '::') return `127.0.0.1:${port}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
