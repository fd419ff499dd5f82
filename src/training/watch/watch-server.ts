/** `train --watch`: a page on this machine alone that shows the run while it goes on. It can look, not touch. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StageError } from '../../common/stage-error.js';
import { STYLE } from '../report/html.js';
import type { LiveRun } from './live-run.js';

const LOOPBACK = '127.0.0.1';
const POLL_MS = 1000;

/** Polls /state; what comes back is text, except the chart, which this server drew and escaped. */
const SCRIPT = `
const at = (id) => document.getElementById(id);
const time = (s) => s >= 3600 ? Math.floor(s / 3600) + ' h ' + Math.round(s % 3600 / 60) + ' min' : s >= 60 ? Math.floor(s / 60) + ' min ' + Math.round(s % 60) + ' s' : Math.round(s) + ' s';
async function poll() {
  try {
    const { title, progress: p, lines, chart } = await (await fetch('state', { signal: AbortSignal.timeout(30000) })).json();
    document.title = at('title').textContent = title;
    at('log').textContent = lines.join('\\n');
    if (at('chart').innerHTML !== chart) at('chart').innerHTML = chart;
    if (p) {
      at('phase').textContent = p.phase;
      at('bar').max = p.total; at('bar').value = p.done;
      at('facts').textContent = [p.done + ' of ' + p.total + ' ' + p.unit, p.perSecond.toFixed(1) + ' a second', p.done < p.total ? time(p.etaSeconds) + ' to the end of this phase' : '', p.loss === undefined ? '' : 'loss ' + p.loss.toFixed(3), p.learningRate === undefined ? '' : 'learning rate ' + p.learningRate.toExponential(2)].filter(Boolean).join(' · ');
    }
    at('lost').hidden = true;
  } catch { at('lost').hidden = false; }
  setTimeout(poll, ${POLL_MS});
}
poll();
`;

const sha256 = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

const HEADERS = {
  'Content-Security-Policy': `default-src 'none'; img-src data:; connect-src 'self'; style-src 'unsafe-inline'; script-src ${sha256(SCRIPT)}; frame-ancestors 'none'; base-uri 'none'`,
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
  // A step of training may block this thread for longer than a kept connection may idle: Node then cuts it, with the next request on it.
  Connection: 'close',
};

const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Training</title><link rel="icon" href="data:,"><style>${STYLE}progress{width:100%;height:1.2em}</style></head><body><main>
<h1 id="title">Training</h1><p id="lost" role="status" hidden>The run does not answer: it has ended, was stopped, or is in a long step. A finished run has its report in its folder; an unfinished one goes on with the same command.</p>
<h2 id="phase">Starting</h2><progress id="bar" max="1" value="0" aria-labelledby="phase"></progress><p id="facts"></p><div id="chart" class="charts"></div><h2>Log</h2><pre id="log"></pre></main><script>${SCRIPT}</script></body></html>
`;

export interface WatchServer {
  url: string;
  close(): Promise<void>;
}

/**
 * Listens on 127.0.0.1 only; does not keep the process alive.
 * @param port 0 … 65535; 0 takes a free one.
 * @throws StageError TRAINING_OPTION_INVALID, TRAINING_WATCH_PORT.
 */
export async function openWatch(run: LiveRun, port: number): Promise<WatchServer> {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new StageError({ code: 'TRAINING_OPTION_INVALID', stage: 'training', message: `--watch ${port} is no port, it must be a whole number from 0 to 65535`, remedy: 'Leave the number out, or take another.' });
  const server = createServer((request, response) => answer(run, server, request, response));
  await listening(server, port);
  server.unref();
  return {
    url: `http://${LOOPBACK}:${portOf(server)}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(new StageError({ code: 'TRAINING_WATCH_PORT', stage: 'training', message: `the page that watches the run cannot listen on ${LOOPBACK}:${port}: ${cause.message}`, remedy: 'Give --watch another port, or 0 for a free one.', cause })));
    server.listen(port, LOOPBACK, resolve);
  });
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

function answer(run: LiveRun, server: Server, { method, url, headers }: IncomingMessage, response: ServerResponse): void {
  const send = (status: number, type: string, body: string) => response.writeHead(status, { ...HEADERS, 'Content-Type': `${type}; charset=utf-8` }).end(method === 'HEAD' ? undefined : body);
  // A page elsewhere could point a name of its own at 127.0.0.1 and read this one: only the machine's own names are answered.
  const ours = [`${LOOPBACK}:${portOf(server)}`, `localhost:${portOf(server)}`];
  if (!ours.includes(headers.host ?? '')) return void send(403, 'text/plain', 'Call this page by 127.0.0.1.\n');
  if (method !== 'GET' && method !== 'HEAD') return void send(405, 'text/plain', 'It can be read only.\n');
  if (url === '/') return void send(200, 'text/html', PAGE);
  if (url === '/state') return void send(200, 'application/json', JSON.stringify(run.state()));
  send(404, 'text/plain', 'There are / and /state.\n');
}
