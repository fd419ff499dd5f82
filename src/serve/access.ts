/**
 * Who may talk to the station: where it may listen, under which host names, from which web origins, with which tokens.
 *
 * Without tokens, anything that can reach the port is let in, so the browser's own guard must hold: a page of another
 * origin is refused (cross-site WebSocket hijacking) and so is a foreign host name (DNS rebinding). A token is never
 * sent along by a browser unasked; where tokens are configured, a valid one settles it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { serveError } from './errors.js';

/** Shortest token that is accepted as a configuration, in characters. */
const MIN_TOKEN_LENGTH = 8;

export interface AccessOptions {
  host: string;
  tokens: readonly string[];
  allowOpen: boolean;
  allowedOrigins: readonly string[];
  allowedHosts: readonly string[];
}

/** Why a request isn't served. */
export interface Refusal {
  status: 401 | 403 | 421;
  code: string;
  message: string;
  remedy: string;
}

export class Access {
  /** Digests of equal length, so that comparing tells nothing about a token's length. */
  private readonly digests: readonly Buffer[];
  private readonly hosts: ReadonlySet<string>;
  private readonly origins: ReadonlySet<string>;

  /**
   * @throws StageError SERVE_TOKEN_TOO_SHORT; SERVE_OPEN_REFUSED when it would listen beyond loopback unguarded.
   */
  constructor(options: AccessOptions) {
    for (const token of options.tokens) checkToken(token);
    if (!isLoopback(options.host) && options.tokens.length === 0 && !options.allowOpen) {
      throw serveError(
        'SERVE_OPEN_REFUSED',
        `Listening on ${options.host} would let everybody on the network listen in: no token is configured.`,
        'Set a token with --token, stay on --host 127.0.0.1, or ask for it explicitly with --allow-open.',
      );
    }
    this.digests = options.tokens.map(digest);
    this.hosts = new Set(['localhost', hostname(), `${hostname()}.local`, options.host, ...options.allowedHosts].map((name) => name.toLowerCase()));
    this.origins = new Set(options.allowedOrigins.map((origin) => origin.toLowerCase().replace(/\/$/, '')));
  }

  /** True when a token is needed for data. */
  get guarded(): boolean {
    return this.digests.length > 0;
  }

  /** For public routes and as the first check of all others: the name under which the station was addressed. */
  refuseHost(request: IncomingMessage): Refusal | undefined {
    // A rebinding page has no token; with tokens any name (a proxy's, say) will do.
    if (this.guarded) return undefined;
    const name = hostNameOf(request.headers.host);
    if (name !== undefined && (isIP(name) !== 0 || this.hosts.has(name))) return undefined;
    return {
      status: 421,
      code: 'SERVE_HOST_REFUSED',
      message: `The station isn't known as ${shown(request.headers.host)}.`,
      remedy: 'Use its IP address or add the name to server.allowedHosts.',
    };
  }

  /** For data: host name, then token, then the origin of the page that asks. */
  refuse(request: IncomingMessage): Refusal | undefined {
    return this.refuseHost(request) ?? (this.guarded ? this.refuseToken(request) : this.refuseOrigin(request));
  }

  private refuseToken(request: IncomingMessage): Refusal | undefined {
    const token = tokenOf(request);
    if (token !== undefined && this.isValid(token)) return undefined;
    return {
      status: 401,
      code: token === undefined ? 'SERVE_TOKEN_MISSING' : 'SERVE_TOKEN_INVALID',
      message: token === undefined ? 'This station needs a token.' : 'The token is not valid here.',
      remedy: 'Send `Authorization: Bearer TOKEN`, or `?token=TOKEN` where headers cannot be set.',
    };
  }

  private refuseOrigin(request: IncomingMessage): Refusal | undefined {
    const origin = request.headers.origin;
    if (origin === undefined || isSameOrigin(origin, request.headers.host) || this.origins.has(origin.toLowerCase())) return undefined;
    return {
      status: 403,
      code: 'SERVE_ORIGIN_REFUSED',
      message: `Pages of ${shown(origin)} may not connect to this station.`,
      remedy: 'Open the dashboard on the station itself, add the origin to server.allowedOrigins, or use tokens.',
    };
  }

  private isValid(token: string): boolean {
    const given = digest(token);
    // Every token is compared, whichever matches.
    return this.digests.reduce((found, known) => timingSafeEqual(known, given) || found, false);
  }
}

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}

function checkToken(token: string): void {
  if (token.length >= MIN_TOKEN_LENGTH) return;
  throw serveError(
    'SERVE_TOKEN_TOO_SHORT',
    `A token has ${token.length} characters; ${MIN_TOKEN_LENGTH} are the least.`,
    'Make one with `openssl rand -hex 16`.',
  );
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function tokenOf(request: IncomingMessage): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  const query = request.url?.split('?')[1];
  return query === undefined ? undefined : (new URLSearchParams(query).get('token') ?? undefined);
}

/** `[::1]:8600` → `::1`; undefined when there is none or it is malformed. */
function hostNameOf(host: string | undefined): string | undefined {
  if (host === undefined) return undefined;
  return /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host)?.slice(1).find(Boolean)?.toLowerCase();
}

function isSameOrigin(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: originHost } = new URL(origin);
  return (protocol === 'http:' || protocol === 'https:') && originHost === host.toLowerCase().replace(protocol === 'http:' ? /:80$/ : /:443$/, '');
}

/** Request headers are quoted in answers and logs; nobody needs all of a long one. */
function shown(header: string | undefined): string {
  return header === undefined ? 'nothing' : JSON.stringify(header.slice(0, 100));
}
