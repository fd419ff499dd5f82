/** The client against a real station: messages, subscriptions, tokens, and coming back after the station was away. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Subscription } from 'rxjs';
import { WebSocket, WebSocketServer } from 'ws';
import { backoffDelayMs } from '../../src/client/backoff.js';
import { connect, type ConnectionState, type ConnectOptions, type StationConnection } from '../../src/client/index.js';
import { serverExamples } from '../../src/protocol/examples.js';
import type { ServerMessage } from '../../src/protocol/messages.js';
import type { Violation } from '../../src/protocol/validate.js';
import { frames, prediction, startStation, status, stopAll, until } from '../serve/harness.js';

const subscriptions: Subscription[] = [];
afterEach(async () => {
  for (const subscription of subscriptions.splice(0)) subscription.unsubscribe();
  await stopAll();
});

interface Watched {
  connection: StationConnection;
  messages: ServerMessage[];
  states: ConnectionState[];
  violations: Violation[];
  errors: unknown[];
  listening: Subscription;
}

function watch(url: string, options: ConnectOptions = {}): Watched {
  const connection = connect(url, { WebSocket, initialDelayMs: 20, maxDelayMs: 100, ...options });
  const watched = { connection, messages: [], states: [], violations: [], errors: [] } as unknown as Watched;
  subscriptions.push(connection.state$.subscribe((state) => watched.states.push(state)));
  subscriptions.push(connection.violations$.subscribe((violation) => watched.violations.push(violation)));
  watched.listening = connection.messages$.subscribe({ next: (message) => watched.messages.push(message), error: (error) => watched.errors.push(error) });
  subscriptions.push(watched.listening);
  return watched;
}

const names = ({ states }: Watched) => states.map(({ state }) => state);
const types = ({ messages }: Watched) => messages.map(({ type }) => type);

/** A server that says what it is told to, for what a real station never does. */
async function startScripted(greet: (socket: WebSocket) => void): Promise<{ url: string; server: WebSocketServer }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((resolve) => server.once('listening', resolve));
  server.on('connection', greet);
  subscriptions.push({ unsubscribe: () => (server.clients.forEach((client) => client.terminate()), server.close()) } as unknown as Subscription);
  return { url: `ws://127.0.0.1:${(server.address() as { port: number }).port}/v1/stream`, server };
}

describe('connect', () => {
  it('emits hello, then messages; takes an http address too', async () => {
    const { url, publish } = await startStation();
    const client = watch(`${url}/v1/stream`);
    await until(() => client.messages.length === 1, 'hello');
    publish.next(prediction(1));
    publish.next(frames(0));
    publish.next(status('synth'));
    await until(() => client.messages.length === 3, 'messages');
    expect(types(client)).toEqual(['hello', 'prediction', 'status']);
    expect(names(client)).toEqual(['idle', 'connecting', 'open']);
  });

  it('connects with the first subscriber, shares one socket, and closes with the last', async () => {
    const { url, stream } = await startStation();
    const open = async () => Number(/stethostream_connections (\d+)/.exec(await (await fetch(`${url}/metrics`)).text())?.[1]);
    const client = watch(stream);
    const second = client.connection.messages$.subscribe();
    await until(() => names(client).includes('open'), 'open');
    expect(await open()).toBe(1);
    second.unsubscribe();
    expect(await open()).toBe(1);
    client.listening.unsubscribe();
    expect(names(client).at(-1)).toBe('idle');
    await vi.waitFor(async () => expect(await open()).toBe(0));
  });

  it('emits only what is wanted, even of what comes before the station has read the subscription', async () => {
    const { stream, publish } = await startStation();
    for (const message of [status('a'), status('b'), prediction(3, 'b'), prediction(4, 'a')]) publish.next(message);
    const client = watch(stream, { streams: ['a'], kinds: ['prediction', 'frames'] });
    await until(() => client.messages.length === 2, 'replay');
    await until(() => {
      publish.next(frames(0, 100, 'b'));
      publish.next(frames(0, 100, 'a'));
      return types(client).includes('frames');
    }, 'frames');
    expect(types(client).slice(0, 3)).toEqual(['hello', 'prediction', 'frames']);
    expect(client.messages.slice(1).every((message) => 'streamId' in message && message.streamId === 'a')).toBe(true);
  });

  it('changes its subscription, also across a reconnection', async () => {
    const first = await startStation();
    const client = watch(first.stream);
    await until(() => client.messages.length === 1, 'hello');
    client.connection.subscribe({ kinds: ['frames'] });
    await until(() => {
      first.publish.next(frames(0));
      return types(client).includes('frames');
    }, 'frames');
    await first.server.close();
    const again = await startStation({ port: first.port });
    const before = types(client).filter((type) => type === 'frames').length;
    await until(() => types(client).filter((type) => type === 'hello').length === 2, 'the second hello');
    await until(() => {
      again.publish.next(prediction(1));
      again.publish.next(frames(0));
      return types(client).filter((type) => type === 'frames').length > before;
    }, 'frames again');
    expect(types(client)).not.toContain('prediction');
  });

  it('passes the token', async () => {
    const { stream } = await startStation({ tokens: ['a token&with=signs'] });
    const client = watch(stream, { token: 'a token&with=signs' });
    await until(() => client.messages.length === 1, 'hello');
  });

  const native = (globalThis as { WebSocket?: ConnectOptions['WebSocket'] }).WebSocket;
  it.skipIf(native === undefined)('works with the WebSocket of the runtime (Node 22 and later have one)', async () => {
    const station = await startStation();
    const client = watch(station.stream, { WebSocket: native as NonNullable<typeof native>, kinds: ['prediction'] });
    await until(() => names(client).includes('open'), 'open');
    station.publish.next(prediction(1));
    await until(() => client.messages.length === 2, 'a prediction');
    await station.server.close();
    await until(() => names(client).includes('waiting'), 'waiting');
    await startStation({ port: station.port });
    await until(() => types(client).filter((type) => type === 'hello').length === 2, 'the second hello');
  });

  it('copes with a long reason for a failure', async () => {
    const { url } = await startScripted((socket) => socket.close(4000, 'é'.repeat(61)));
    const client = watch(url);
    await until(() => names(client).filter((name) => name === 'waiting').length === 2, 'two retries');
    expect(client.errors).toEqual([]);
  });

  it('says what is missing where there is no WebSocket', () => {
    vi.stubGlobal('WebSocket', undefined);
    expect(() => connect('ws://127.0.0.1:1')).toThrow(/ws.*options\.WebSocket/);
    vi.unstubAllGlobals();
  });
});

describe('reconnection', () => {
  it('waits longer each time, says why, and starts over after hello', async () => {
    const station = await startStation();
    const client = watch(station.stream, { random: () => 1 });
    await until(() => names(client).includes('open'), 'open');
    await station.server.close();
    await until(() => names(client).filter((name) => name === 'waiting').length === 4, 'four retries');
    const waits = () => client.states.filter((state) => state.state === 'waiting');
    expect(waits().slice(0, 4).map(({ retryInMs }) => retryInMs)).toEqual([20, 40, 80, 100]);
    expect(waits()[0]?.reason).toBe('the station is shutting down');
    expect(waits()[1]?.reason).toMatch(/ECONNREFUSED/);
    const again = await startStation({ port: station.port });
    await until(() => types(client).length === 2, 'the second hello');
    const seen = waits().length;
    await again.server.close();
    await until(() => waits().length > seen, 'the next retry');
    expect(waits()[seen]).toMatchObject({ attempt: 1, retryInMs: 20 });
  });

  it('says that a token is missing and goes on trying', async () => {
    const { stream } = await startStation({ tokens: ['correct-horse'] });
    const client = watch(stream);
    await until(() => names(client).filter((name) => name === 'waiting').length === 2, 'two retries');
    expect(client.states.find((state) => state.state === 'waiting')).toMatchObject({ reason: 'Unexpected server response: 401' });
  });

  it('stops for good when the last subscriber leaves while it waits', async () => {
    const station = await startStation();
    const client = watch(station.stream);
    await until(() => names(client).includes('open'), 'open');
    await station.server.close();
    await until(() => names(client).includes('waiting'), 'waiting');
    client.listening.unsubscribe();
    const count = client.states.length;
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(client.states).toHaveLength(count);
    expect(names(client).at(-1)).toBe('idle');
  });

  it('gives up a connection that falls silent, where asked to', async () => {
    const { url } = await startScripted((socket) => socket.send(JSON.stringify(serverExamples.hello)));
    const client = watch(url, { silenceTimeoutMs: 100 });
    await until(() => types(client).length === 2, 'a second hello');
    expect(client.states.find((state) => state.state === 'waiting')).toMatchObject({ reason: 'silent for 100 ms' });
  });

  it.each([
    [0, 0, 250],
    [0, 1, 500],
    [3, 1, 4000],
    [10, 1, 15_000],
    [5000, 0, 7500],
  ])('backs off: attempt %i, random %d → %i ms', (attempt, random, delayMs) => {
    expect(backoffDelayMs(attempt, { initialDelayMs: 500, maxDelayMs: 15_000, random: () => random })).toBe(delayMs);
  });
});

describe('stations that differ', () => {
  it('reports what does not fit the protocol and goes on; additions of a newer one are no offence', async () => {
    const { url } = await startScripted((socket) => {
      socket.send(JSON.stringify({ ...serverExamples.hello, protocol: '1.7', motto: 'new' }));
      for (const text of ['{', '{"type":"heartRate","bpm":70}', JSON.stringify({ ...serverExamples.prediction, confidence: 2 })]) socket.send(text);
      socket.send(JSON.stringify({ ...serverExamples.prediction, heartRateBpm: 70 }));
    });
    const client = watch(url);
    await until(() => client.messages.length === 2, 'messages');
    expect(types(client)).toEqual(['hello', 'prediction']);
    expect(client.violations.map(({ path }) => path)).toEqual(['', '/type', '/confidence']);
  });

  it('errors, without trying again, when the protocol has another major version', async () => {
    const { url, server } = await startScripted((socket) => socket.send(JSON.stringify({ ...serverExamples.hello, protocol: '2.0' })));
    const client = watch(url);
    await until(() => client.errors.length === 1, 'the error');
    expect(String(client.errors[0])).toMatch(/protocol 2\.0, this client 1\.0/);
    expect(names(client).at(-1)).toBe('idle');
    await vi.waitFor(() => expect(server.clients.size).toBe(0));
  });
});
