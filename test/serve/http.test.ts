/** The HTTP routes, with raw requests where a polite client would tidy them up. */
import { mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { asyncApiDocument } from '../../src/protocol/asyncapi.js';
import { serverExamples } from '../../src/protocol/examples.js';
import { join, prediction, startStation, stopAll, until } from './harness.js';

let folder: string;
let webRoot: string;
beforeAll(() => {
  folder = mkdtempSync(joinPath(tmpdir(), 'stethostream-serve-'));
  webRoot = joinPath(folder, 'web');
  mkdirSync(joinPath(webRoot, 'icons'), { recursive: true });
  writeFileSync(joinPath(webRoot, 'index.html'), '<!doctype html><title>heart</title>');
  writeFileSync(joinPath(webRoot, 'main.js'), 'export {};');
  writeFileSync(joinPath(webRoot, 'icons', 'icon.svg'), '<svg/>');
  writeFileSync(joinPath(webRoot, '.env.json'), '"hidden"');
  writeFileSync(joinPath(webRoot, 'tool.sh'), 'no served type');
  writeFileSync(joinPath(folder, 'secret.json'), '"secret"');
  symlinkSync(joinPath(folder, 'secret.json'), joinPath(webRoot, 'link.json'));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(stopAll);

/** One request exactly as written; the whole answer as text. */
function raw(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => (answer += data.toString('latin1')));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
    socket.write(request);
  });
}
const get = (port: number, path: string, headers = '') =>
  raw(port, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n${headers}\r\n`);

describe('dashboard files', () => {
  it.each([
    ['/', 'text/html; charset=utf-8'],
    ['/index.html', 'text/html; charset=utf-8'],
    ['/main.js?v=1', 'text/javascript; charset=utf-8'],
    ['/icons/icon.svg', 'image/svg+xml'],
  ])('serves %s as %s, with security headers', async (path, type) => {
    const { url } = await startStation({ webRoot });
    const response = await fetch(url + path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(type);
    expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'self';/);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    expect(await response.text()).not.toBe('');
  });

  it('answers 304 to a browser that has it, and no body to HEAD', async () => {
    const { url } = await startStation({ webRoot });
    const first = await fetch(`${url}/main.js`);
    expect(first.headers.get('cache-control')).toBe('no-cache');
    const again = await fetch(`${url}/main.js`, { headers: { 'If-None-Match': `W/${first.headers.get('etag')}` } });
    expect(again.status).toBe(304);
    const head = await fetch(`${url}/main.js`, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe('10');
    expect(await head.text()).toBe('');
  });

  it.each([
    '/../secret.json',
    '/icons/../../secret.json',
    '/%2e%2e/secret.json',
    '/..%2fsecret.json',
    '/%2e%2e%5csecret.json',
    '/..\\secret.json',
    '/icons/%2e%2e/%2e%2e/secret.json',
    '//etc/hostname.json',
    '/link.json',
    '/.env.json',
    '/tool.sh',
    '/icons',
    '/icons/',
    '/main.js%00.html',
    '/%',
    '/nothing.html',
    '/__proto__',
    '/constructor',
  ])('does not serve %s', async (path) => {
    const { port } = await startStation({ webRoot });
    const answer = await get(port, path);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer).not.toMatch(/secret"|hidden/);
    expect(answer).toMatch(/SERVE_NOT_FOUND/);
  });

  it('never leaves its folder, whatever the path', async () => {
    const { port } = await startStation({ webRoot });
    const part = fc.constantFrom('..', '.', '%2e', '%2e%2e', '/', '%2f', '\\', '%5c', 'secret.json', 'icons', 'web', '%00', ';', 'main.js');
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 8 }), async (parts) => {
        expect(await get(port, `/${parts.join('')}`)).not.toContain('"secret"');
      }),
      { numRuns: 150 },
    );
  });

  it('says what to run when the dashboard is not built', async () => {
    const { url } = await startStation({ webRoot: joinPath(folder, 'absent') });
    const response = await fetch(url);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: 'SERVE_WEB_NOT_BUILT', remedy: 'Run `npm run build`.' } });
  });
});

describe('routes', () => {
  it('describes streams, model and protocol', async () => {
    const { url, port } = await startStation();
    const { hello } = serverExamples;
    expect(await (await fetch(`${url}/v1/streams`)).json()).toEqual({ streams: hello.streams });
    expect(await (await fetch(`${url}/v1/model`)).json()).toEqual({
      model: hello.model,
      engine: hello.engine,
      labels: hello.labels,
      disclaimer: hello.disclaimer,
    });
    expect(await (await fetch(`${url}/asyncapi.json`)).json()).toEqual(asyncApiDocument(`127.0.0.1:${port}`));
  });

  it('is ready only with a model and a stream that has not failed, and says why not', async () => {
    const station = await startStation();
    const readiness = async () => {
      const response = await fetch(`${station.url}/readyz`);
      return [response.status, ((await response.json()) as { reasons: string[] }).reasons];
    };
    expect(await readiness()).toEqual([200, []]);
    station.health = { modelLoaded: false, streams: [] };
    expect(await readiness()).toEqual([503, ['No model is loaded.', 'There is no stream.']]);
    station.health = { modelLoaded: true, streams: [{ streamId: 'a', state: 'failed' }, { streamId: 'b', state: 'failed' }] };
    expect(await readiness()).toEqual([503, ['Every stream has failed: a, b.']]);
    station.health = { modelLoaded: true, streams: [{ streamId: 'a', state: 'failed' }, { streamId: 'b', state: 'recovering' }], problems: ['The disk is full.'] };
    expect(await readiness()).toEqual([503, ['The disk is full.']]);
    expect((await fetch(`${station.url}/healthz`)).status).toBe(200);
  });

  it('takes only GET and HEAD', async () => {
    const { url } = await startStation();
    const response = await fetch(`${url}/v1/streams`, { method: 'POST', body: 'x' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
  });

  it('answers 500 without details when the station fails to answer, and goes on', async () => {
    const { url, log } = await startStation({
      hello: () => {
        throw new Error('private detail');
      },
    });
    const response = await fetch(`${url}/v1/model`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('private');
    expect(log.join('')).toContain('private detail');
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('survives requests that are no HTTP', async () => {
    const { port, url } = await startStation();
    expect(await raw(port, 'HELLO\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw(port, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(40_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });
});

describe('metrics', () => {
  it('count predictions once each, deliveries per subscriber, refusals and latency', async () => {
    const { url, stream, publish } = await startStation();
    const subscribers = [await join(stream), await join(stream)];
    for (const [seq, latencyMs] of [[1, 20], [2, 300]] as const) publish.next({ ...prediction(seq), latencyMs } as never);
    publish.next({ type: 'drop', streamId: 'synth', kind: 'window', count: 3, total: 3, time: '2026-03-14T09:26:53.589Z', reason: 'lag' });
    await until(() => subscribers.every((one) => one.of('drop').length === 1), 'delivery');
    subscribers[0]?.send('?');
    await until(() => subscribers[0]?.of('error').length === 1, 'an error');
    await fetch(`${url}/nowhere`);
    const text = await (await fetch(`${url}/metrics`)).text();
    const lines = text.split('\n');
    for (const line of [
      'stethostream_connections 2',
      'stethostream_connections_total 2',
      'stethostream_predictions_total{stream="synth",label="murmur"} 2',
      'stethostream_messages_sent_total{kind="prediction"} 4',
      'stethostream_windows_dropped_total{stream="synth"} 3',
      'stethostream_bad_messages_total 1',
      'stethostream_http_requests_total{status="404"} 1',
      'stethostream_prediction_latency_seconds_bucket{le="0.025"} 1',
      'stethostream_prediction_latency_seconds_bucket{le="0.5"} 2',
      'stethostream_prediction_latency_seconds_bucket{le="+Inf"} 2',
      'stethostream_prediction_latency_seconds_sum 0.32',
      'stethostream_prediction_latency_seconds_count 2',
    ]) {
      expect(lines).toContain(line);
    }
    // Each line is a comment or `name{labels} number`.
    for (const line of lines.filter(Boolean)) expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? [\d.e+-]+)$/);
  });
});
