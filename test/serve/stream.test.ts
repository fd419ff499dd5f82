/** The WebSocket endpoint as subscribers see it: greeting, subscriptions, late joiners, bad messages, shutdown. */
import { afterEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { serverExamples } from '../../src/protocol/examples.js';
import type { StationMessage } from '../../src/protocol/messages.js';
import { frames, join, prediction, refusalOf, startStation, status, stopAll, Subscriber, until } from './harness.js';

afterEach(stopAll);

const types = (subscriber: Subscriber) => subscriber.messages.map((message) => message.type);

describe('greeting', () => {
  it('sends hello first and speaks the subprotocol', async () => {
    const { stream } = await startStation();
    const subscriber = await join(stream);
    expect(subscriber.messages[0]?.type).toBe('hello');
    expect(subscriber.socket.protocol).toBe('stethostream.v1');
  });

  it('accepts a client that offers no subprotocol, or more than ours', async () => {
    const { stream } = await startStation();
    const plain = new WebSocket(stream);
    await new Promise((resolve) => plain.once('message', resolve));
    expect(plain.protocol).toBe('');
    plain.terminate();
    const several = new Subscriber(stream, {}, ['mqtt', 'stethostream.v1']);
    await until(() => several.messages.length > 0, 'hello');
    expect(several.socket.protocol).toBe('stethostream.v1');
  });

  it('refuses other subprotocols, other paths and too many subscribers', async () => {
    const { stream } = await startStation({ limits: { maxConnections: 1 } });
    expect(await refusalOf(stream, {}, 'stethostream.v2')).toEqual({ status: 400, code: 'SERVE_SUBPROTOCOL_UNKNOWN' });
    expect(await refusalOf(stream.replace('/v1/', '/v2/'))).toEqual({ status: 404, code: 'SERVE_NOT_FOUND' });
    await join(stream);
    expect(await refusalOf(stream)).toEqual({ status: 503, code: 'SERVE_TOO_MANY_CONNECTIONS' });
  });

  it('closes with 1011 when the station cannot greet, and goes on', async () => {
    let broken = true;
    const { stream } = await startStation({
      hello: () => {
        if (broken) throw new Error('no model yet');
        return serverExamples.hello;
      },
    });
    const early = await join(stream);
    expect(early.closed?.code).toBe(1011);
    broken = false;
    expect(types(await join(stream))).toEqual(['hello']);
  });

  it('brings a late joiner the newest status and prediction of each stream, after hello', async () => {
    const { stream, publish } = await startStation();
    for (const message of [status('a'), prediction(1, 'a'), prediction(2, 'a'), status('a', 'stalled'), prediction(9, 'b')]) publish.next(message);
    const late = await join(stream);
    await until(() => late.messages.length === 4, 'replay');
    expect(late.messages.slice(1).map((m) => [m.type, 'streamId' in m && m.streamId, 'seq' in m ? m.seq : undefined])).toEqual([
      ['status', 'a', undefined],
      ['prediction', 'a', 2],
      ['prediction', 'b', 9],
    ]);
    expect(late.of('status')[0]?.state).toBe('stalled');
  });
});

describe('subscriptions', () => {
  it('sends all but frames before the first subscription', async () => {
    const { stream, publish } = await startStation();
    const subscriber = await join(stream);
    for (const message of [frames(0), prediction(1), status('synth')]) publish.next(message);
    await until(() => subscriber.of('status').length === 1, 'status');
    expect(types(subscriber)).toEqual(['hello', 'prediction', 'status']);
  });

  it('filters by stream and kind, and replaces what was subscribed before', async () => {
    const { stream, publish } = await startStation();
    const subscriber = await join(stream);
    await subscriber.subscribe({ streams: ['a'], kinds: ['frames', 'prediction'] });
    for (const message of [frames(0, 100, 'a'), frames(0, 100, 'b'), prediction(1, 'b'), status('a'), prediction(2, 'a')]) publish.next(message);
    await until(() => subscriber.of('prediction').length === 1, 'prediction');
    expect(types(subscriber)).toEqual(['hello', 'frames', 'prediction']);
    await subscriber.subscribe({ streams: [], kinds: ['prediction'] });
    publish.next(prediction(3, 'a'));
    await subscriber.subscribe({ kinds: ['gap'] });
    expect(subscriber.of('prediction')).toHaveLength(1);
  });

  it('brings the newest state of what a new subscription adds, and only that', async () => {
    const { stream, publish } = await startStation();
    const subscriber = await join(stream);
    await subscriber.subscribe({ streams: ['a'] });
    for (const message of [status('a'), prediction(1, 'a'), status('b'), prediction(5, 'b')]) publish.next(message);
    await until(() => subscriber.of('prediction').length === 1, 'prediction of a');
    await subscriber.subscribe({ streams: ['a', 'b'] });
    await until(() => subscriber.of('prediction').length === 2, 'prediction of b');
    expect(subscriber.of('prediction').map((m) => m.streamId)).toEqual(['a', 'b']);
    expect(subscriber.of('status').map((m) => m.streamId)).toEqual(['a', 'b']);
  });

  it('brings what concerns no stream in particular to all who want the kind', async () => {
    const { stream, publish } = await startStation();
    const subscriber = await join(stream);
    await subscriber.subscribe({ streams: ['a'], kinds: ['error'] });
    publish.next(serverExamples.drop);
    publish.next({ ...serverExamples.error, streamId: 'b' });
    publish.next(serverExamples.error);
    await until(() => subscriber.of('error').length === 1, 'the error');
    expect(subscriber.messages.slice(1)).toEqual([serverExamples.error]);
  });

  it('keeps the order of all kinds', async () => {
    const { stream, publish } = await startStation();
    const subscriber = await join(stream);
    await subscriber.subscribe({ kinds: ['frames', 'prediction', 'status'] });
    const sent: StationMessage[] = Array.from({ length: 300 }, (_, i) => [frames(i), prediction(i), status('synth')][i % 3]!);
    for (const message of sent) publish.next(message);
    await until(() => subscriber.messages.length === 301, 'all messages');
    expect(subscriber.messages.slice(1)).toEqual(sent);
  });
});

describe('bad messages', () => {
  it.each([
    ['no JSON', '{', /the message is \{, expected JSON/],
    ['no object', '[1]', /expected an object/],
    ['unknown type', '{"type":"publish"}', /\/type is "publish", expected one of subscribe/],
    ['unknown kind', '{"type":"subscribe","kinds":["labels"]}', /\/kinds\/0 is "labels", expected one of prediction, /],
    ['unknown member', '{"type":"subscribe","rate":2}', /\/rate is 2, expected no such property/],
    ['bad stream name', '{"type":"subscribe","streams":["../x"]}', /\/streams\/0 is "..\/x"/],
  ])('answers %s with the path, the value and what was expected', async (_name, text, expected) => {
    const { stream, publish } = await startStation();
    const subscriber = await join(stream);
    subscriber.send(text);
    await until(() => subscriber.of('error').length === 1, 'error');
    expect(subscriber.of('error')[0]).toMatchObject({ code: 'SERVE_BAD_MESSAGE', stage: 'serve', retryable: false });
    expect(subscriber.of('error')[0]?.message).toMatch(expected);
    publish.next(prediction(1));
    await until(() => subscriber.of('prediction').length === 1, 'life after the error');
  });

  it('closes with 1008 after more than 20 of them', async () => {
    const { stream } = await startStation();
    const subscriber = await join(stream);
    for (let i = 0; i < 21; i += 1) subscriber.send('?');
    await until(() => subscriber.closed !== undefined, 'close');
    expect(subscriber.closed?.code).toBe(1008);
    expect(subscriber.of('error')).toHaveLength(20);
  });

  it('closes with 1008 on a flood of good ones', async () => {
    const { stream } = await startStation();
    const subscriber = await join(stream);
    for (let i = 0; i < 60; i += 1) subscriber.send({ type: 'subscribe' });
    await until(() => subscriber.closed !== undefined, 'close');
    expect(subscriber.closed).toEqual({ code: 1008, reason: 'more than 50 messages in a second' });
  });

  it('closes with 1009 when one is larger than 16 KiB, 1003 when binary, 1007 when not UTF-8', async () => {
    const { stream, publish } = await startStation();
    const [witness, large, binary, garbled] = [await join(stream), await join(stream), await join(stream), await join(stream)];
    large.send(JSON.stringify({ type: 'subscribe', streams: ['x'.repeat(16 * 1024)] }));
    binary.socket.send(Buffer.from('{"type":"subscribe"}'), { binary: true });
    garbled.socket.send(Buffer.from([0xff, 0xfe]), { binary: false });
    await until(() => [large, binary, garbled].every(({ closed }) => closed !== undefined), 'closes');
    expect([large, binary, garbled].map(({ closed }) => closed?.code)).toEqual([1009, 1003, 1007]);
    expect(binary.of('error')[0]?.message).toMatch(/Binary/);
    publish.next(prediction(1));
    await until(() => witness.of('prediction').length === 1, 'the others go on');
  });

  it('survives whatever bytes a client sends', async () => {
    const { stream, publish, port } = await startStation();
    const witness = await join(stream);
    const { connect } = await import('node:net');
    const request = Buffer.from(
      `GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    );
    let seq = 0;
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, afterHandshake) => {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => undefined);
        socket.resume();
        await new Promise<void>((resolve) => socket.end(afterHandshake ? Buffer.concat([request, bytes]) : bytes, () => resolve()));
        socket.destroy();
        publish.next(prediction(++seq));
        await until(() => witness.of('prediction').at(-1)?.seq === seq, 'the witness');
      }),
      { numRuns: 150 },
    );
  }, 20_000);

  it('answers random text messages with errors and nothing else', async () => {
    const { stream } = await startStation({ limits: { maxBadMessages: 1000, maxMessagesPerSecond: 1e6 } });
    const subscriber = await join(stream);
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string(), fc.object().map((o) => JSON.stringify({ ...o, type: 'subscribe', extra: 1 }))), async (text) => {
        subscriber.send(text);
        sent += 1;
        await until(() => subscriber.of('error').length === sent, 'an error');
      }),
      { numRuns: 100 },
    );
    expect(subscriber.closed).toBeUndefined();
  });
});

describe('what the station itself gets wrong', () => {
  it('withholds and logs a message that breaks the protocol', async () => {
    const { stream, publish, log } = await startStation();
    const subscriber = await join(stream);
    publish.next({ ...(prediction(1) as Extract<StationMessage, { type: 'prediction' }>), latencyMs: NaN });
    publish.next(prediction(2));
    await until(() => subscriber.of('prediction').length === 1, 'the valid one');
    expect(subscriber.of('prediction')[0]?.seq).toBe(2);
    expect(log.join('')).toMatch(/SERVE_INVALID_MESSAGE.*latencyMs/);
  });

  it('keeps serving when the source of messages errors', async () => {
    const { stream, publish, log } = await startStation();
    await join(stream);
    publish.error(new Error('station broke'));
    expect(types(await join(stream))).toEqual(['hello']);
    expect(log.join('')).toMatch(/stopped publishing/);
  });
});

describe('closing', () => {
  it('says goodbye with 1001, frees the port, and may be called twice', async () => {
    const { server, stream, port } = await startStation();
    const subscriber = await join(stream);
    await server.close();
    await until(() => subscriber.closed !== undefined, 'goodbye');
    expect(subscriber.closed?.code).toBe(1001);
    await server.close();
    await startStation({ port });
  });
});
