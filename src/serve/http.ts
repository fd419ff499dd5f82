/** The HTTP routes: dashboard, health, description of streams and model, metrics, AsyncAPI document. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../common/log.js';
import { asyncApiDocument } from '../protocol/asyncapi.js';
import type { Hello } from '../protocol/messages.js';
import type { Access } from './access.js';
import type { ServeMetrics } from './metrics.js';
import type { StationHealth } from './options.js';
import { serveFile } from './static.js';

export interface HttpContext {
  readonly hello: () => Hello;
  readonly health: () => StationHealth;
  readonly metrics: ServeMetrics;
  readonly access: Access;
  readonly webRoot: string;
  readonly logger: Logger;
  /** `host:port` the station listens on, for the AsyncAPI document. */
  readonly authority: () => string;
}

/** Who may ask: anybody who can connect, those who address the station by a known name, or those who may have its data. */
type Audience = 'probe' | 'public' | 'data';
type Answer = { status?: number; type?: string; body: string };
type Route = { audience: Audience; answer: (context: HttpContext, request: IncomingMessage) => Answer };

const JSON_TYPE = 'application/json; charset=utf-8';

const routes: Readonly<Record<string, Route>> = {
  '/healthz': { audience: 'probe', answer: () => json({ ok: true }) },
  '/readyz': { audience: 'probe', answer: readiness },
  '/asyncapi.json': { audience: 'public', answer: (context) => json(asyncApiDocument(context.authority())) },
  '/v1/streams': { audience: 'data', answer: (context) => json({ streams: context.hello().streams }) },
  '/v1/model': { audience: 'data', answer: (context) => json(modelOf(context.hello())) },
  '/metrics': {
    audience: 'data',
    answer: (context) => ({ type: 'text/plain; version=0.0.4; charset=utf-8', body: context.metrics.text() }),
  },
};

/** Nothing from elsewhere, nothing inline, no frames around the dashboard; the referrer must not carry a token away. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; " +
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Makes the handler of the HTTP server's `request` event. */
export function httpHandler(context: HttpContext): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    response.once('finish', () => context.metrics.requests.add(1, String(response.statusCode)));
    handle(context, request, response).catch((error: unknown) => {
      context.logger.error({ err: error, path: pathOf(request) }, 'request failed');
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'SERVE_INTERNAL', 'The station failed to answer.', 'See its log.');
    });
  };
}

async function handle(context: HttpContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
  const path = pathOf(request);
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  const refusal = refusalFor(context.access, route?.audience ?? 'public', request);
  if (refusal !== undefined) {
    if (refusal.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
    return refuse(response, refusal.status, refusal.code, refusal.message, refusal.remedy);
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return refuse(response, 405, 'SERVE_METHOD_NOT_ALLOWED', `${request.method} is not served here.`, 'Use GET.');
  }
  if (route !== undefined) return send(response, route.answer(context, request), request.method);
  if (await serveFile(context.webRoot, path, request, response)) return;
  if (path === '/') return refuse(response, 503, 'SERVE_WEB_NOT_BUILT', `There is no dashboard in ${context.webRoot}.`, 'Run `npm run build`.');
  refuse(response, 404, 'SERVE_NOT_FOUND', 'There is nothing at this path.', 'The dashboard is at /, the stream at /v1/stream.');
}

function refusalFor(access: Access, audience: Audience, request: IncomingMessage) {
  if (audience === 'probe') return undefined;
  return audience === 'public' ? access.refuseHost(request) : access.refuse(request);
}

/** Ready when the model is loaded and at least one stream has not failed. Details only for those who may have data. */
function readiness({ health, access }: HttpContext, request: IncomingMessage): Answer {
  const { modelLoaded, streams, problems = [] } = health();
  const reasons = [...problems];
  if (!modelLoaded) reasons.push('No model is loaded.');
  if (streams.length === 0) reasons.push('There is no stream.');
  else if (streams.every((stream) => stream.state === 'failed')) {
    reasons.push(`Every stream has failed: ${streams.map((stream) => stream.streamId).join(', ')}.`);
  }
  const ready = reasons.length === 0;
  const details = access.refuse(request) === undefined ? { reasons, streams } : {};
  return { ...json({ ready, ...details }), status: ready ? 200 : 503 };
}

function modelOf({ model, engine, labels, disclaimer }: Hello): object {
  return { model, engine, labels, disclaimer };
}

function json(value: unknown): Answer {
  return { type: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

function send(response: ServerResponse, { status = 200, type = JSON_TYPE, body }: Answer, method = 'GET'): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body), 'Cache-Control': 'no-store' });
  response.end(method === 'HEAD' ? undefined : body);
}

function refuse(response: ServerResponse, status: number, code: string, message: string, remedy: string): void {
  send(response, { ...json({ error: { code, message, remedy } }), status });
}

function pathOf(request: IncomingMessage): string {
  return request.url?.split(/[?#]/)[0] ?? '/';
}
