/** Subscribers of a running station that break the protocol or never read: answered or cut off, in bounded memory; the others notice nothing. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/serve/options.js';
import { join as joinStream, joinRaw, stopAll, Subscriber } from '../serve/harness.js';
import { writeHeartPackage } from '../support/heart-package.js';
import { liveStation, type LiveStation } from '../support/live-station.js';
import { heart, writeWav } from '../support/sounds.js';
import { until } from '../support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'stethostream-subscribers-'));
const model = join(folder, 'model');
let live: LiveStation | undefined;

beforeAll(() => writeHeartPackage(model));
afterEach(async () => {
  await stopAll();
  await live?.close();
  live = undefined;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function expectUnbroken(subscriber: Subscriber, streamId: string): void {
  const seqs = subscriber.of('prediction').flatMap((prediction) => (prediction.streamId === streamId ? [prediction.seq] : []));
  expect(seqs.length).toBeGreaterThan(3);
  expect(seqs).toEqual(seqs.map((_, i) => seqs[0]! + i));
  expect(subscriber.of('drop')).toEqual([]);
  expect(subscriber.closed).toBeUndefined();
}

describe('bad messages', () => {
  it('are answered one by one, then close the connection; the other subscriber gets every label', async () => {
    live = await liveStation({ model, source: ['synth?speed=8'] });
    const [bad, well] = await Promise.all([joinStream(live.stream), joinStream(live.stream)]);
    live.station.start();
    for (const text of ['', 'subscribe!', '[]', '{"type":"shout"}', '{"type":"subscribe","kinds":["everything"]}', '{"type":"subscribe","streams":"synth"}', '{"type":"subscribe","extra":1}']) bad.send(text);
    await until(() => bad.of('error').length === 7, 'seven answers');
    for (const { code, stage, message, remedy } of bad.of('error')) {
      expect({ code, stage }).toEqual({ code: 'SERVE_BAD_MESSAGE', stage: 'serve' });
      expect(message).toMatch(/ is .*, expected /);
      expect(remedy).toMatch(/docs\/protocol\.md/);
    }
    // It still gets its labels, until it has made too many mistakes.
    const before = bad.of('prediction').length;
    await until(() => bad.of('prediction').length > before, 'a label in spite of it all');
    for (let i = 0; i < 14; i++) bad.send('{');
    await until(() => bad.closed !== undefined, 'the end');
    expect(bad.closed).toMatchObject({ code: 1008, reason: expect.stringContaining('20 bad messages') });
    const count = well.of('prediction').length;
    await until(() => well.of('prediction').length > count + 3, 'more labels');
    expectUnbroken(well, 'synth');
    expect(well.of('error')).toEqual([]);
  });

  it.each<[string, number, (subscriber: Subscriber) => void]>([
    ['an oversized one', 1009, ({ socket }) => socket.send(`{"type":"subscribe","streams":["${'x'.repeat(DEFAULT_LIMITS.maxPayloadBytes)}"]}`)],
    ['a binary one', 1003, ({ socket }) => socket.send(Buffer.from([1, 2, 3]))],
    ['text that is not UTF-8', 1007, ({ socket }) => sendInvalidText(socket)],
  ])('%s closes its connection with %i and no other', async (_what, code, send) => {
    live = await liveStation({ model, source: ['synth?speed=8'] });
    const [bad, well] = await Promise.all([joinStream(live.stream), joinStream(live.stream)]);
    live.station.start();
    await until(() => well.of('prediction').length > 0, 'a label');
    send(bad);
    await until(() => bad.closed !== undefined, 'the end');
    expect(bad.closed!.code).toBe(code);
    const count = well.of('prediction').length;
    await until(() => well.of('prediction').length > count + 3, 'more labels');
    expectUnbroken(well, 'synth');
  });
});

describe('a subscriber that never reads', () => {
  it('costs bounded memory, is cut off, and no other subscriber notices', async () => {
    // Display data of four hearts as fast as they can be computed: megabytes within a second or two.
    const wav = writeWav(join(folder, 'long.wav'), heart(30));
    const flood = [1, 2, 3, 4].map(() => `file:${wav}?speed=max&loop=1`);
    live = await liveStation({ model, source: ['synth', ...flood] }, { limits: { stallTimeoutMs: 6000 } });
    const { station, url, port } = live;
    const published = { frames: 0, bytes: 0 };
    station.messages$.subscribe((message) => {
      if (message.type !== 'frames') return;
      published.frames += 1;
      published.bytes += JSON.stringify(message).length;
    });
    const dead = await joinRaw(port);
    dead.pause();
    dead.write(maskedText('{"type":"subscribe","kinds":["frames"]}'));
    const well = await joinStream(live.stream);
    await well.subscribe({ streams: ['synth'], kinds: ['prediction', 'drop'] });
    station.start();

    const metrics = async () => {
      const text = await (await fetch(`${url}/metrics`)).text();
      const value = (line: RegExp) => Number(line.exec(text)?.[1] ?? 0);
      return {
        dropped: value(/messages_dropped_total\{kind="frames"\} (\d+)/),
        sent: value(/messages_sent_total\{kind="frames"\} (\d+)/),
        stalled: value(/connections_cut_total\{reason="stalled"\} (\d+)/),
      };
    };
    let now = await metrics();
    for (; now.dropped < 2500 && now.stalled === 0; now = await metrics()) await new Promise((resolve) => setTimeout(resolve, 20));
    // Whatever was published is with the operating system, or dropped, or one of the few that may wait (here or in the
    // socket, and those published while the question was answered).
    const waiting = published.frames - now.sent - now.dropped;
    expect(now.dropped).toBeGreaterThanOrEqual(2500);
    expect(waiting).toBeLessThan(DEFAULT_LIMITS.maxQueuedMessages + 800);
    await until(() => live!.log.some(({ why }) => why === 'stalled'), 'its end', 20_000);
    expect((await metrics()).stalled).toBe(1);
    await until(() => well.of('prediction').length > 8, 'labels', 20_000);
    expectUnbroken(well, 'synth');
    for (const { latencyMs } of well.of('prediction')) expect(latencyMs).toBeLessThan(2000);
  }, 60_000);
});

/** A text frame of a client, masked with zeros. */
function maskedText(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

function sendInvalidText(socket: Subscriber['socket']): void {
  const tcp = (socket as unknown as { _socket: { write(data: Buffer): void } })._socket;
  tcp.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]));
}
