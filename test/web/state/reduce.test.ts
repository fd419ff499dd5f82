import { describe, expect, it } from 'vitest';
import { serverExamples } from '../../../src/protocol/examples.js';
import type { Prediction, ServerMessage } from '../../../src/protocol/messages.js';
import { type AppState, HISTORY_MS, initialState, LIMITS, selectedStream } from '../../../web/state/model.js';
import { type Action, reduce } from '../../../web/state/reduce.js';

const START_MS = Date.parse('2026-03-14T09:00:00.000Z');

const run = (state: AppState, ...actions: Action[]): AppState => actions.reduce(reduce, state);
const got = (message: ServerMessage, nowMs = START_MS): Action => ({ type: 'message', message, nowMs });

function prediction(endMs: number, change: Partial<Prediction> = {}): Prediction {
  const example = serverExamples.prediction;
  return { ...example, ...change, window: { ...example.window, endTime: new Date(endMs).toISOString() } };
}

const greeted = run(initialState, { type: 'connection', connection: { state: 'open' }, nowMs: START_MS }, got(serverExamples.hello));

describe('hello', () => {
  it('tells model, engine, disclaimer and streams', () => {
    expect(greeted.station).toMatchObject({ disclaimer: serverExamples.hello.disclaimer, engine: { device: 'cpu' } });
    expect([...greeted.streams.keys()]).toEqual(['synth']);
    expect(selectedStream(greeted)?.title).toBe('Synthesised heart');
  });

  it('keeps the history of streams that are still there after a reconnection, and drops the others', () => {
    const known = run(greeted, got(prediction(START_MS)), got(prediction(START_MS, { streamId: 'gone' })));
    expect([...known.streams.keys()]).toEqual(['synth', 'gone']);
    const again = run(known, got(serverExamples.hello));
    expect([...again.streams.keys()]).toEqual(['synth']);
    expect(again.streams.get('synth')?.history).toHaveLength(1);
  });
});

describe('predictions', () => {
  it('become the current label and a history entry', () => {
    const state = run(greeted, got(prediction(START_MS, { label: 'murmur' }), 5));
    const stream = state.streams.get('synth')!;
    expect(stream.last?.label).toBe('murmur');
    expect(stream.arrivedAtMs).toBe(5);
    expect(stream.history).toEqual([{ endMs: START_MS, label: 'murmur', confidence: 0.81, qualityScore: 0.92 }]);
  });

  it('older than the strip are forgotten, and never are there more than the limit', () => {
    let state = greeted;
    for (let i = 0; i < 1000; i += 1) state = run(state, got(prediction(START_MS + 256 * i)));
    const history = state.streams.get('synth')!.history;
    expect(history.at(-1)!.endMs - history[0]!.endMs).toBeGreaterThanOrEqual(HISTORY_MS);
    expect(history.at(-1)!.endMs - history[0]!.endMs).toBeLessThanOrEqual(HISTORY_MS + 10_000);
    for (let i = 0; i < 3000; i += 1) state = run(state, got(prediction(START_MS + 256_000 + i)));
    expect(state.streams.get('synth')!.history).toHaveLength(LIMITS.predictions);
  });

  it('stay ascending when the clock of the station is set back', () => {
    const state = run(greeted, ...[0, 1000, 2000, 500].map((ms) => got(prediction(START_MS + ms))));
    expect(state.streams.get('synth')!.history.map((entry) => entry.endMs - START_MS)).toEqual([0, 500]);
  });

  it('with an unreadable time count from their arrival', () => {
    const message = prediction(START_MS);
    const state = run(greeted, got({ ...message, window: { ...message.window, endTime: 'yesterday' } }, 77));
    expect(state.streams.get('synth')!.history[0]!.endMs).toBe(77);
  });

  it('make a stream known that came after hello, up to a limit', () => {
    let state = greeted;
    for (let i = 0; i < 500; i += 1) state = run(state, got(prediction(START_MS, { streamId: `s${String(i)}` })));
    expect(state.streams.size).toBe(LIMITS.streams);
  });

  it('leave all other streams untouched', () => {
    const two = run(greeted, got(prediction(START_MS, { streamId: 'other' })));
    const next = run(two, got(prediction(START_MS + 1000)));
    expect(next.streams.get('other')).toBe(two.streams.get('other'));
  });
});

describe('status, gap, drop, error', () => {
  it('change the state and are logged in words', () => {
    const state = run(
      greeted,
      got({ ...serverExamples.status, streamId: 'synth' }),
      got({ ...serverExamples.gap, streamId: 'synth' }),
      got({ ...serverExamples.drop, streamId: 'synth', kind: 'window', count: 2, total: 6, reason: 'queue-full' }),
      got(serverExamples.error),
    );
    expect(state.streams.get('synth')).toMatchObject({ state: 'recovering', attempt: 1 });
    expect(state.streams.get('synth')!.marks.map(({ kind, lengthMs }) => [kind, lengthMs])).toEqual([['gap', 512], ['drop', 0]]);
    expect(state.log.slice(1).map(({ kind, severity, text }) => [kind, severity, text])).toEqual([
      ['status', 'warning', 'Recovering (attempt 1): The microphone was unplugged; trying again in 2 s.'],
      ['gap', 'warning', 'Sound missing for 512 ms (overrun)'],
      ['drop', 'warning', '2 windows dropped, 6 in all (queue-full)'],
      ['error', 'error', serverExamples.error.message],
    ]);
    expect(state.log.at(-1)).toMatchObject({ code: 'SERVE_BAD_MESSAGE', remedy: serverExamples.error.remedy });
  });

  it('a drop of the connection itself belongs to no stream', () => {
    const state = run(greeted, got(serverExamples.drop));
    expect(state.streams).toBe(greeted.streams);
    expect(state.log.at(-1)?.streamId).toBeUndefined();
  });

  it('repeats are counted, not listed, and show the newest text', () => {
    const drops = [1, 2, 3].map((total) => got({ ...serverExamples.drop, count: 1, total }));
    const state = run(greeted, ...drops);
    expect(state.log).toHaveLength(greeted.log.length + 1);
    expect(state.log.at(-1)).toMatchObject({ count: 3, text: expect.stringContaining('3 in all') as string });
  });

  it('the log is bounded and its ids never repeat', () => {
    let state = greeted;
    for (let i = 0; i < 1000; i += 1) state = run(state, got({ ...serverExamples.error, message: `error ${String(i)}` }));
    expect(state.log).toHaveLength(LIMITS.log);
    expect(new Set(state.log.map((entry) => entry.id)).size).toBe(LIMITS.log);
    expect(state.log.at(-1)?.text).toBe('error 999');
  });

  it('marks are bounded', () => {
    let state = greeted;
    for (let i = 0; i < 1000; i += 1) state = run(state, got({ ...serverExamples.gap, streamId: 'synth' }));
    expect(state.streams.get('synth')!.marks).toHaveLength(LIMITS.marks);
  });
});

describe('connection', () => {
  it('logs the loss once, not every attempt', () => {
    const waiting = { type: 'connection', connection: { state: 'waiting', retryAtMs: 1, reason: 'gone' }, nowMs: 0 } as const;
    const connecting = { type: 'connection', connection: { state: 'connecting' }, nowMs: 0 } as const;
    const state = run(greeted, waiting, connecting, waiting, connecting, waiting);
    expect(state.log.map((entry) => entry.text)).toEqual(['Connected to the station.', 'Connection lost: gone']);
    expect(state.station).toBe(greeted.station);
    expect(state.streams).toBe(greeted.streams);
  });
});

describe('unreadable messages', () => {
  it('are counted and noted once', () => {
    const state = run(greeted, ...Array.from({ length: 50 }, (): Action => ({ type: 'ignored', reason: 'no JSON', nowMs: 0 })));
    expect(state.ignored).toBe(50);
    expect(state.log).toHaveLength(greeted.log.length + 1);
  });
});

describe('selection', () => {
  it('falls back to the first stream until the wanted one appears', () => {
    const wanting = run(initialState, { type: 'select', streamId: 'late' }, got(serverExamples.hello));
    expect(selectedStream(wanting)?.streamId).toBe('synth');
    const there = run(wanting, got(prediction(START_MS, { streamId: 'late' })));
    expect(selectedStream(there)?.streamId).toBe('late');
  });
});
