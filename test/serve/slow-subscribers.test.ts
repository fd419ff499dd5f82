/** Subscribers that read slowly, never, or are gone: bounded, reported, cut off, and no trouble for the others. */
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { StationMessage } from '../../src/protocol/messages.js';
import { frames, join, joinRaw, prediction, startStation, status, stopAll, until, type Station } from './harness.js';

afterEach(stopAll);

const SMALL = { highWaterBytes: 16 * 1024, maxQueuedMessages: 100, maxQueuedBytes: 128 * 1024 };

const metric = async ({ url }: Station, line: RegExp): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(line.exec(text)?.[1] ?? 0);
};

/** Publishes frames until the operating system's buffers are full and the server has begun to drop. */
async function fillUntilDropped(station: Station, streamId: string): Promise<number> {
  for (let i = 0; ; i += 1) {
    for (let k = 0; k < 20; k += 1) station.publish.next(frames(i * 20 + k, 16_000, streamId));
    await new Promise((resolve) => setTimeout(resolve, 2));
    const dropped = await metric(station, /messages_dropped_total\{kind="frames"\} (\d+)/);
    if (dropped > 50) return dropped;
    if (i > 2000) throw new Error('nothing was ever dropped');
  }
}

describe('a subscriber that stops reading', () => {
  it('loses frames, keeps status, and is told how much it lost once it reads again', async () => {
    const station = await startStation({ limits: SMALL });
    const slow = await join(station.stream);
    await slow.subscribe({ kinds: ['frames', 'prediction', 'status', 'drop'] });
    slow.socket.pause();
    await fillUntilDropped(station, 'synth');
    for (let i = 0; i < 50; i += 1) station.publish.next(status(`s${i}`));
    station.publish.next(prediction(7));
    slow.socket.resume();
    await until(() => slow.of('drop').length > 0 && slow.of('status').length === 50, 'the drop report and every status', 20_000);
    await until(() => slow.of('prediction').length === 1, 'the prediction');
    const dropped = await metric(station, /messages_dropped_total\{kind="frames"\} (\d+)/);
    const reports = slow.of('drop');
    expect(reports.reduce((sum, { count }) => sum + count, 0)).toBe(dropped);
    expect(reports.at(-1)).toMatchObject({ kind: 'message', total: dropped });
    const got = slow.of('frames').map(({ startSample }) => startSample);
    expect(got).toEqual([...got].sort((a, b) => a - b));
    expect(slow.closed).toBeUndefined();
  }, 30_000);

  it('is cut off when it takes nothing at all, in bounded memory, while others get everything on time', async () => {
    const station = await startStation({ limits: { ...SMALL, stallTimeoutMs: 1500, heartbeatMs: 60_000 } });
    const dead = await joinRaw(station.port);
    dead.pause();
    const fast = await join(station.stream);
    await fast.subscribe({ kinds: ['prediction', 'frames'] });
    dead.write(maskedText('{"type":"subscribe","kinds":["frames"]}'));
    await fillUntilDropped(station, 'synth');
    // While the dead one is stuck, the fast one's messages arrive within a few milliseconds of being published.
    const delays: number[] = [];
    for (let seq = 0; seq < 50; seq += 1) {
      const publishedAt = performance.now();
      station.publish.next(frames(1e9 + seq, 16_000));
      station.publish.next(prediction(seq));
      await until(() => fast.of('prediction').length === seq + 1, `prediction ${seq}`);
      delays.push((fast.receivedAtMs.at(-1) as number) - publishedAt);
    }
    expect(delays.sort((a, b) => a - b)[25]).toBeLessThan(50);
    await until(() => station.log.some((line) => line.includes('"why":"stalled"')), 'the cut', 10_000);
    await until(() => dead.destroyed || station.log.some((line) => line.includes('subscriber left')), 'the end of the socket');
    const cut = JSON.parse(station.log.find((line) => line.includes('"why":"stalled"')) as string) as { messages: number; bytes: number };
    expect(cut.messages).toBeLessThanOrEqual(SMALL.maxQueuedMessages);
    expect(cut.bytes).toBeLessThanOrEqual(SMALL.maxQueuedBytes);
    expect(fast.closed).toBeUndefined();
  }, 40_000);

  it('is cut off when even what may not be dropped fills its queue', async () => {
    const station = await startStation({ limits: SMALL });
    const dead = await joinRaw(station.port);
    dead.pause();
    dead.write(maskedText('{"type":"subscribe","kinds":["frames","status"]}'));
    await fillUntilDropped(station, 'synth');
    for (let i = 0; i < 150; i += 1) station.publish.next(status('synth'));
    expect(station.log.join('')).toMatch(/"why":"overflow"/);
    await until(() => station.log.some((line) => line.includes('subscriber left')), 'its end');
    expect((await join(station.stream)).messages[0]?.type).toBe('hello');
  }, 30_000);

  it('does not keep the server from closing', async () => {
    const station = await startStation({ limits: { ...SMALL, closeTimeoutMs: 300 } });
    const dead = await joinRaw(station.port);
    dead.pause();
    dead.write(maskedText('{"type":"subscribe","kinds":["frames"]}'));
    await fillUntilDropped(station, 'synth');
    const begun = performance.now();
    await station.server.close();
    expect(performance.now() - begun).toBeLessThan(2000);
  }, 30_000);
});

describe('a peer that is gone', () => {
  it('is cut off after two unanswered pings; one that answers stays', async () => {
    const station = await startStation({ limits: { heartbeatMs: 200 } });
    const alive = await join(station.stream);
    const halfOpen = await joinRaw(station.port);
    halfOpen.resume();
    const closed = new Promise((resolve) => halfOpen.once('close', resolve));
    const begun = performance.now();
    await closed;
    expect(performance.now() - begun).toBeGreaterThan(300);
    expect(station.log.join('')).toMatch(/"why":"dead"/);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(alive.socket.readyState).toBe(WebSocket.OPEN);
    expect(await metric(station, /stethostream_connections (\d+)/)).toBe(1);
  });

  it('may vanish in the middle of everything', async () => {
    const station = await startStation();
    const witness = await join(station.stream);
    for (let i = 0; i < 30; i += 1) {
      const socket = await joinRaw(station.port);
      station.publish.next(prediction(i));
      socket.resetAndDestroy();
    }
    await until(() => witness.of('prediction').length === 30, 'the witness');
    await until(() => station.log.filter((line) => line.includes('subscriber left')).length === 30, 'all to be forgotten');
  });
});

describe('many subscribers', () => {
  it('all get every message, serialised once', async () => {
    const station = await startStation();
    const crowd = await Promise.all(Array.from({ length: 200 }, () => join(station.stream)));
    expect(await metric(station, /stethostream_connections (\d+)/)).toBe(200);
    let serialised = 0;
    const probabilities = new Proxy({ normal: 1 }, { ownKeys: (target) => (serialised++, Reflect.ownKeys(target)) });
    station.publish.next({ ...prediction(0), probabilities } as StationMessage);
    const keysRead = serialised;
    for (let seq = 1; seq < 50; seq += 1) station.publish.next(prediction(seq));
    await until(() => crowd.every((one) => one.of('prediction').length === 50), 'all predictions');
    // Reading the message's keys for the check and for JSON takes a few looks, not two hundred.
    expect(keysRead).toBeLessThan(10);
    for (const one of crowd) expect(one.of('prediction').map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  }, 30_000);
});

/** A masked text frame, as clients send them, with an all-zero mask. */
function maskedText(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}
