/** A real server on a free port, and plain subscribers that record what they get. */
import { connect as connectTcp, type Socket } from 'node:net';
import { Subject } from 'rxjs';
import { WebSocket, type ClientOptions } from 'ws';
import { createLogger } from '../../src/common/log.js';
import { serverExamples } from '../../src/protocol/examples.js';
import { SUBPROTOCOL, type Hello, type ServerMessage, type StationMessage } from '../../src/protocol/messages.js';
import { parseServerMessage } from '../../src/protocol/validate.js';
import { createStationServer, type StationHealth, type StationServer, type StationServerOptions } from '../../src/serve/index.js';

export interface Station {
  server: StationServer;
  url: string;
  port: number;
  stream: string;
  publish: Subject<StationMessage>;
  log: string[];
  health: StationHealth;
}

const running: (() => Promise<unknown> | void)[] = [];

/** Starts a server; `stopAll` ends it. */
export async function startStation(options: Partial<StationServerOptions> = {}): Promise<Station> {
  const publish = new Subject<StationMessage>();
  const log: string[] = [];
  const health: StationHealth = { modelLoaded: true, streams: [{ streamId: 'synth', state: 'live' }] };
  const server = createStationServer({
    host: '127.0.0.1',
    port: 0,
    hello: (): Hello => ({ ...serverExamples.hello, time: new Date().toISOString() }),
    messages$: publish,
    health: () => station.health,
    logger: createLogger({ level: 'debug', destination: { write: (line) => log.push(line) } }),
    ...options,
  });
  const { url, port } = await server.start();
  running.push(() => server.close());
  const station: Station = { server, url, port, stream: `ws://127.0.0.1:${port}/v1/stream`, publish, log, health };
  return station;
}

/** Closes every server and socket of this test. */
export async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((stop) => stop()));
}

export class Subscriber {
  readonly messages: ServerMessage[] = [];
  readonly receivedAtMs: number[] = [];
  closed: { code: number; reason: string } | undefined;
  readonly socket: WebSocket;

  constructor(url: string, options: ClientOptions = {}, protocols: string | string[] = SUBPROTOCOL) {
    this.socket = new WebSocket(url, protocols, options);
    this.socket.on('message', (data) => {
      const parsed = parseServerMessage(String(data));
      if (!parsed.ok) throw new Error(`the server broke the protocol: ${parsed.violation.message}`);
      this.messages.push(parsed.message);
      this.receivedAtMs.push(performance.now());
    });
    this.socket.on('close', (code, reason) => (this.closed = { code, reason: String(reason) }));
    this.socket.on('error', () => undefined);
    running.push(() => this.socket.terminate());
  }

  of<Type extends ServerMessage['type']>(type: Type): Extract<ServerMessage, { type: Type }>[] {
    return this.messages.filter((message): message is Extract<ServerMessage, { type: Type }> => message.type === type);
  }

  send(message: unknown): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** Replaces the subscription and waits until the server has read it (it answers a ping after it). */
  async subscribe(wanted: { streams?: string[]; kinds?: string[] }): Promise<void> {
    this.send({ type: 'subscribe', ...wanted });
    const pong = new Promise((resolve) => this.socket.once('pong', resolve));
    this.socket.ping();
    await pong;
  }
}

/** Connects and waits for hello. */
export async function join(url: string, options: ClientOptions = {}): Promise<Subscriber> {
  const subscriber = new Subscriber(url, options);
  await until(() => subscriber.messages.length > 0 || subscriber.closed !== undefined, 'hello');
  return subscriber;
}

/** Connects by hand, so that reading can stop for good. */
export async function joinRaw(port: number): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1');
  running.push(() => void socket.destroy());
  socket.on('error', () => undefined);
  socket.write(
    `GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  const head = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString('latin1'))));
  if (!head.startsWith('HTTP/1.1 101')) throw new Error(head);
  return socket;
}

export async function until(condition: () => boolean, what: string, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The refusal of a connection: its HTTP status and the error in its body. */
export function refusalOf(url: string, options: ClientOptions = {}, protocols: string | string[] = SUBPROTOCOL): Promise<{ status: number; code: string }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, protocols, options);
    socket.on('open', () => {
      socket.terminate();
      reject(new Error('the connection was accepted'));
    });
    socket.on('error', () => undefined);
    socket.on('unexpected-response', (_request, response) => {
      let body = '';
      response.on('data', (data) => (body += String(data)));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, code: (JSON.parse(body) as { error: { code: string } }).error.code }));
    });
  });
}

export function prediction(seq: number, streamId = 'synth'): StationMessage {
  return { ...serverExamples.prediction, streamId, seq };
}

export function status(streamId: string, state: 'live' | 'stalled' | 'failed' | 'ended' = 'live'): StationMessage {
  return { ...serverExamples.status, streamId, state, time: new Date().toISOString() };
}

/** Display data of about `bytes` bytes. */
export function frames(startSample: number, bytes = 4096, streamId = 'synth'): StationMessage {
  const columns = Math.max(1, Math.round((bytes * 3) / 4 / 64));
  return { ...serverExamples.frames, streamId, startSample, nMels: 64, columns, melDb: Buffer.alloc(columns * 64).toString('base64') };
}
