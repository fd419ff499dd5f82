/** The outbox's rules for any sequence of messages and any reader, on a wire that takes bytes when told to. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OutgoingMessage } from '../../src/serve/outgoing.js';
import { Outbox } from '../../src/serve/outbox.js';

const LIMITS = { highWaterBytes: 100, maxQueuedMessages: 10, maxQueuedBytes: 500, dropReportMs: 1000 };

function setup() {
  const taken: string[] = [];
  const reports: [number, number][] = [];
  const droppedKinds: string[] = [];
  const waiting: { text: string; done: (error?: Error | null) => void }[] = [];
  let overflowed = false;
  let clockMs = 0;
  const wire = {
    get bufferedBytes() {
      return waiting.reduce((sum, { text }) => sum + text.length, 0);
    },
    send: (data: Buffer, done: (error?: Error | null) => void) => void waiting.push({ text: String(data), done }),
  };
  const outbox = new Outbox(
    wire,
    LIMITS,
    {
      dropped: (kind) => droppedKinds.push(kind),
      sent: () => undefined,
      dropReport: (count, total) => {
        reports.push([count, total]);
        return message('drop', `report ${count} ${total}`);
      },
      overflow: () => (overflowed = true),
    },
    () => clockMs,
  );
  return {
    outbox,
    taken,
    reports,
    droppedKinds,
    /** The operating system takes one message. */
    take(): boolean {
      const next = waiting.shift();
      if (next === undefined) return false;
      taken.push(next.text);
      next.done(null);
      return true;
    },
    pass: (ms: number) => (clockMs += ms),
    overflowed: () => overflowed,
  };
}

function message(kind: OutgoingMessage['kind'], text: string): OutgoingMessage {
  return { kind, streamId: 'a', data: Buffer.from(text) };
}

describe('Outbox', () => {
  it('drops the oldest frames first, then the oldest predictions', () => {
    const { outbox, take, taken } = setup();
    outbox.push(message('status', 'x'.repeat(100))); // fills the wire
    for (let i = 0; i < 4; i += 1) outbox.push(message('prediction', `p${i}`));
    for (let i = 0; i < 12; i += 1) outbox.push(message('frames', `f${i}`));
    for (let i = 0; i < 5; i += 1) outbox.push(message('status', `s${i}`));
    while (take());
    // Ten wait: all five statuses, four predictions, the newest frame.
    expect(taken.slice(1)).toEqual(['p0', 'p1', 'p2', 'p3', 'f11', 's0', 's1', 's2', 's3', 's4', 'report 11 11']);
  });

  it('drops predictions once there are no frames, and gives up when only the rest is left', () => {
    const { outbox, droppedKinds, overflowed } = setup();
    outbox.push(message('status', 'x'.repeat(100)));
    for (let i = 0; i < 10; i += 1) outbox.push(message('prediction', `p${i}`));
    for (let i = 0; i < 10; i += 1) outbox.push(message('error', `e${i}`));
    expect(droppedKinds).toEqual(Array(10).fill('prediction'));
    expect(overflowed()).toBe(false);
    outbox.push(message('status', 'one too many'));
    expect(overflowed()).toBe(true);
    expect(outbox.queued).toEqual({ messages: 0, bytes: 0 });
  });

  it('bounds bytes as well as messages', () => {
    const { outbox, droppedKinds } = setup();
    outbox.push(message('status', 'x'.repeat(100)));
    for (let i = 0; i < 5; i += 1) outbox.push(message('frames', 'y'.repeat(200)));
    expect(droppedKinds).toHaveLength(3);
    expect(outbox.queued).toEqual({ messages: 2, bytes: 400 });
  });

  it('reports drops at times while the queue never drains', () => {
    const { outbox, reports, pass } = setup();
    outbox.push(message('status', 'x'.repeat(100)));
    for (let i = 0; i < 15; i += 1) outbox.push(message('frames', `f${i}`));
    expect(reports).toEqual([]);
    pass(1000);
    outbox.push(message('frames', 'later'));
    expect(reports).toEqual([[6, 6]]);
  });

  it('counts as stalled only while something waits and nothing moves', () => {
    const { outbox, take, pass } = setup();
    pass(5000);
    expect(outbox.stalledMs).toBe(0);
    outbox.push(message('status', 'x'.repeat(100)));
    outbox.push(message('status', 'second'));
    pass(700);
    expect(outbox.stalledMs).toBe(700);
    take();
    expect(outbox.stalledMs).toBe(0);
    pass(300);
    expect(outbox.stalledMs).toBe(300);
    take();
    pass(9000);
    expect(outbox.stalledMs).toBe(0);
  });

  it('keeps order, bounds and accounts for any traffic', () => {
    const kind = fc.constantFrom<OutgoingMessage['kind']>('frames', 'frames', 'prediction', 'status');
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ kind, bytes: fc.integer({ min: 8, max: 120 }) }) },
      { weight: 2, arbitrary: fc.constant('take' as const) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { outbox, take, taken, droppedKinds, reports, overflowed } = setup();
        let pushed = 0;
        let kept = 0;
        for (const one of steps) {
          if (one === 'take') take();
          else {
            const text = `${String(pushed).padStart(5, '0')}${one.kind[0]}`.padEnd(one.bytes, '.');
            outbox.push(message(one.kind, text));
            pushed += 1;
            if (one.kind === 'status') kept += 1;
          }
          expect(outbox.queued.messages).toBeLessThanOrEqual(LIMITS.maxQueuedMessages);
          expect(outbox.queued.bytes).toBeLessThanOrEqual(LIMITS.maxQueuedBytes);
          if (overflowed()) return;
        }
        while (take());
        const numbered = taken.filter((text) => !text.startsWith('report'));
        expect(numbered).toEqual([...numbered].sort());
        expect(numbered.length + droppedKinds.length).toBe(pushed);
        expect(numbered.filter((text) => text[5] === 's')).toHaveLength(kept);
        expect(reports.reduce((sum, [count]) => sum + count, 0)).toBe(droppedKinds.length);
        expect(reports.at(-1)?.[1] ?? 0).toBe(droppedKinds.length);
      }),
      { numRuns: 500 },
    );
  });
});
