/** Where the station listens, and whom it lets in. */
import { hostname } from 'node:os';
import { createServer } from 'node:net';
import { request as httpRequest } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { StageError } from '../../src/common/stage-error.js';
import { isLoopback } from '../../src/serve/access.js';
import { listenError } from '../../src/serve/errors.js';
import { join, refusalOf, startStation, stopAll } from './harness.js';

afterEach(stopAll);

const failure = async (start: Promise<unknown>): Promise<StageError> => {
  const error: unknown = await start.then(
    () => new Error('it started'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StageError);
  return error as StageError;
};

/** fetch() won't let anybody set Host. */
const statusWithHost = (port: number, host: string, path = '/v1/streams'): Promise<number> =>
  new Promise((resolve, reject) => {
    httpRequest({ host: '127.0.0.1', port, path, headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });

const TOKENS = ['correct-horse-1', 'battery-staple-2'];

describe('listening', () => {
  it('names a port in use and the way out', async () => {
    const { port } = await startStation();
    const error = await failure(startStation({ port }));
    expect(error).toMatchObject({ code: 'SERVE_PORT_IN_USE', stage: 'serve' });
    expect(error.message).toContain(`Port ${port} on 127.0.0.1`);
    expect(error.remedy).toContain('--port');
  });

  it('names a port held by a program that is no station', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    expect((await failure(startStation({ port: (other.address() as { port: number }).port }))).code).toBe('SERVE_PORT_IN_USE');
    other.close();
  });

  it('names a host that is not this machine', async () => {
    expect((await failure(startStation({ host: '192.0.2.1', allowOpen: true }))).code).toBe('SERVE_HOST_UNAVAILABLE');
    expect((await failure(startStation({ host: 'no-such-host.invalid', allowOpen: true }))).code).toBe('SERVE_HOST_UNAVAILABLE');
  });

  it.each([-1, 65_536, 1.5, NaN])('refuses port %s', async (port) => {
    expect((await failure(startStation({ port }))).code).toBe('SERVE_PORT_INVALID');
  });

  it('explains a forbidden port', () => {
    expect(listenError(Object.assign(new Error(), { code: 'EACCES' }), '127.0.0.1', 80)).toMatchObject({ code: 'SERVE_PORT_FORBIDDEN' });
    expect(listenError(Object.assign(new Error('odd'), { code: 'EODD' }), '127.0.0.1', 80)).toMatchObject({ code: 'SERVE_LISTEN_FAILED' });
  });

  it.each(['0.0.0.0', '::', '192.0.2.1', 'station.example'])('refuses %s without tokens unless asked explicitly', async (host) => {
    expect((await failure(startStation({ host }))).code).toBe('SERVE_OPEN_REFUSED');
  });

  it('listens everywhere with tokens, or when asked explicitly', async () => {
    expect((await startStation({ host: '0.0.0.0', tokens: TOKENS })).url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    await startStation({ host: '0.0.0.0', allowOpen: true });
  });

  it('refuses short tokens', async () => {
    expect((await failure(startStation({ tokens: ['1234567'] }))).code).toBe('SERVE_TOKEN_TOO_SHORT');
  });

  it('tells loopback from the rest', () => {
    expect(['127.0.0.1', '127.9.9.9', 'localhost', 'LOCALHOST', '::1'].map(isLoopback)).toEqual([true, true, true, true, true]);
    expect(['127.0.0.1.evil.example', '0.0.0.0', '::', '10.0.0.1', '1270.0.0.1'].map(isLoopback)).toEqual([false, false, false, false, false]);
  });
});

describe('tokens', () => {
  it('let in by header or query, for the stream and the data routes', async () => {
    const { url, stream } = await startStation({ tokens: TOKENS });
    for (const token of TOKENS) {
      const headers = { authorization: `Bearer ${token}` };
      expect((await join(stream, { headers })).messages[0]?.type).toBe('hello');
      expect((await join(`${stream}?token=${token}`)).messages[0]?.type).toBe('hello');
      expect((await fetch(`${url}/v1/streams`, { headers })).status).toBe(200);
      expect((await fetch(`${url}/metrics?token=${token}`)).status).toBe(200);
    }
  });

  it.each(['', 'correct-horse', 'correct-horse-1x', 'CORRECT-HORSE-1', 'battery-staple-1', '%00'])('keep out %j', async (token) => {
    const { url, stream } = await startStation({ tokens: TOKENS });
    const refusal = await refusalOf(`${stream}?token=${token}`);
    expect(refusal).toEqual({ status: 401, code: 'SERVE_TOKEN_INVALID' });
    expect((await fetch(`${url}/v1/streams?token=${token}`)).status).toBe(401);
  });

  it('are asked for where none is given; pages and probes stay open but tell nothing', async () => {
    const station = await startStation({ tokens: TOKENS });
    const { url, stream } = station;
    expect(await refusalOf(stream)).toEqual({ status: 401, code: 'SERVE_TOKEN_MISSING' });
    for (const path of ['/v1/streams', '/v1/model', '/metrics']) {
      const response = await fetch(url + path);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
    }
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await fetch(`${url}/asyncapi.json`)).status).toBe(200);
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ ready: true });
    expect(await (await fetch(`${url}/readyz?token=${TOKENS[0]}`)).json()).toMatchObject({ streams: [{ streamId: 'synth' }] });
  });

  it('never reach the log', async () => {
    const { stream, url, log } = await startStation({ tokens: TOKENS });
    await join(`${stream}?token=${TOKENS[0]}`);
    await refusalOf(`${stream}?token=wrong-but-private`);
    await fetch(`${url}/metrics?token=wrong-but-private`);
    expect(log.join('')).not.toMatch(/correct-horse|wrong-but-private/);
  });

  it('settle it: any host name will do, as behind a proxy', async () => {
    const { port } = await startStation({ tokens: TOKENS });
    expect(await statusWithHost(port, 'ward.example', `/v1/streams?token=${TOKENS[1]}`)).toBe(200);
    expect(await statusWithHost(port, 'ward.example', '/asyncapi.json')).toBe(200);
    expect(await statusWithHost(port, 'ward.example', '/v1/streams')).toBe(401);
  });

  it('settle it: a page of another origin may connect with one', async () => {
    const { stream } = await startStation({ tokens: TOKENS });
    expect((await join(`${stream}?token=${TOKENS[0]}`, { origin: 'https://ward.example' })).messages[0]?.type).toBe('hello');
  });
});

describe('pages in browsers', () => {
  it('of the station itself may connect', async () => {
    const { stream, port } = await startStation();
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`]) {
      const subscriber = await join(stream, { origin: `http://${host}`, headers: { host } });
      expect(subscriber.messages[0]?.type).toBe('hello');
    }
  });

  it.each(['https://evil.example', 'http://127.0.0.1:1', 'null', 'http://localhost', 'file://', 'garbage'])('of %s may not', async (origin) => {
    const { stream, url } = await startStation();
    expect(await refusalOf(stream, { origin })).toEqual({ status: 403, code: 'SERVE_ORIGIN_REFUSED' });
    expect((await fetch(`${url}/v1/streams`, { headers: { origin } })).status).toBe(403);
  });

  it('of an allowed origin may', async () => {
    const { stream } = await startStation({ allowedOrigins: ['https://Ward.example/'] });
    expect((await join(stream, { origin: 'https://ward.example' })).messages[0]?.type).toBe('hello');
    expect((await refusalOf(stream, { origin: 'https://ward.example.evil.example' })).status).toBe(403);
  });

  it('are refused under a foreign host name (DNS rebinding), even when origin and host agree', async () => {
    const { stream, port } = await startStation();
    const host = `evil.example:${port}`;
    expect(await refusalOf(stream, { origin: `http://${host}`, headers: { host } })).toEqual({ status: 421, code: 'SERVE_HOST_REFUSED' });
  });
});

describe('host names', () => {
  it('of this machine, IP addresses and allowed ones are served; others only the probes', async () => {
    const { port } = await startStation({ allowedHosts: ['Heart.example'] });
    for (const host of ['localhost', `127.0.0.1:${port}`, '[::1]:8600', '10.1.2.3', hostname(), 'heart.example:8600']) {
      expect([host, await statusWithHost(port, host)]).toEqual([host, 200]);
    }
    for (const host of ['evil.example', 'localhost.evil.example', 'heart.example.evil.example', 'a b', 'localhost:8600:1']) {
      expect([host, await statusWithHost(port, host)]).toEqual([host, 421]);
    }
    expect(await statusWithHost(port, 'evil.example', '/')).toBe(421);
    expect(await statusWithHost(port, 'evil.example', '/healthz')).toBe(200);
  });
});
