import { TestScheduler } from 'rxjs/testing';
import { asyncScheduler, type Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { captureError } from '../../src/capture/capture-error.js';
import { restarting, type RestartOptions, type SourceStatus } from '../../src/capture/restarting.js';
import type { AudioChunk, AudioGap, AudioSource, CaptureItem } from '../../src/capture/types.js';

/** 1000 Hz, so that samples are milliseconds; every chunk holds 10. */
const chunk = (startSample: number, capturedAtMs: number, change: Partial<AudioChunk> = {}): AudioChunk => ({
  kind: 'chunk', streamId: 's', samples: new Float32Array(10), channels: 1, sampleRateHz: 1000, startSample, capturedAtMs, ...change,
});
const gap = (startSample: number, lengthSamples: number, reason: string, capturedAtMs: number): AudioGap => ({ kind: 'gap', streamId: 's', sampleRateHz: 1000, startSample, lengthSamples, reason, capturedAtMs });
const lost = captureError('CAPTURE_CHILD_DIED', { message: 'it died', retryable: true, streamId: 's' });
const fatal = captureError('CAPTURE_DEVICE_AMBIGUOUS', { message: 'which one?', streamId: 's' });

type Cold = (marbles: string, values?: Record<string, CaptureItem>, error?: unknown) => Observable<CaptureItem>;

/** Runs `openings` (one per subscription, the last one for ever) and returns the states with their times. */
function run(openings: (cold: Cold) => Array<Observable<CaptureItem>>, expected: [string, Record<string, CaptureItem>?, unknown?], options: RestartOptions & { live?: boolean; until?: string } = {}): Array<[number, SourceStatus]> {
  const states: Array<[number, SourceStatus]> = [];
  new TestScheduler((actual, wanted) => expect(actual).toEqual(wanted)).run(({ cold, expectObservable }) => {
    const queue = openings(cold as Cold);
    const source: AudioSource = { spec: 'test', streamId: 's', title: 't', live: options.live ?? true, open: () => (queue.length > 1 ? queue.shift()! : queue[0]!) };
    // Inside run(), asyncScheduler is driven by the marbles' virtual time.
    const kept = restarting(source, { jitter: () => 1, ...options, onState: (status) => states.push([asyncScheduler.now(), status]) });
    expectObservable(kept.open(), options.until).toBe(...expected);
  });
  return states;
}

const names = (states: Array<[number, SourceStatus]>) => states.map(([at, { state }]) => `${at} ${state}`);

describe('restarting', () => {
  it('passes a healthy source through untouched', () => {
    const [a, b] = [chunk(0, 10), chunk(10, 20)];
    const states = run((cold) => [cold('10ms a 9ms (b|)', { a, b })], ['10ms a 9ms (b|)', { a, b }]);
    expect(names(states)).toEqual(['0 starting', '10 live', '20 ended']);
  });

  it('opens again after a retryable error; the lost time becomes a gap and the counter goes on', () => {
    const states = run(
      (cold) => [cold('10ms a 9ms b 5ms #', { a: chunk(0, 1010), b: chunk(10, 1020) }, lost), cold('30ms c 9ms (d|)', { c: chunk(0, 1320), d: chunk(10, 1330) })],
      // Fails at 26 ms, opened again at 276, first chunk at 306: samples 20 … 309 are missing.
      ['10ms a 9ms b 285ms (gc) 6ms (d|)', { a: chunk(0, 1010), b: chunk(10, 1020), g: gap(20, 290, 'restart', 1310), c: chunk(310, 1320), d: chunk(320, 1330) }],
    );
    expect(names(states)).toEqual(['0 starting', '10 live', '26 recovering', '306 live', '316 ended']);
    expect(states[2]![1]).toMatchObject({ attempt: 1, error: lost, detail: 'it died; trying again in 250 ms' });
    expect(states[3]![1].attempt).toBe(0);
  });

  it('waits twice as long each time, up to the limit', () => {
    const states = run((cold) => [cold('#', {}, lost)], ['', {}], { maxDelayMs: 1000, until: '4s !' });
    expect(names(states)).toEqual(['0 starting', '0 recovering', '250 recovering', '750 recovering', '1750 recovering', '2750 recovering', '3750 recovering']);
    expect(states.map(([, { attempt }]) => attempt)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('multiplies the wait by the jitter', () => {
    const states = run((cold) => [cold('#', {}, lost)], ['', {}], { jitter: () => 0.5, until: '400ms !' });
    expect(names(states)).toEqual(['0 starting', '0 recovering', '125 recovering', '375 recovering']);
  });

  it('keeps waiting longer when a source comes back only for a moment, and starts small after it was stable', () => {
    // All captured at 0 ms, as far as the chunks say: nothing is lost between them.
    const joined = { a: chunk(0, 0), b: chunk(10, 0), c: chunk(20, 0), d: chunk(30, 0) };
    const brief = (cold: Cold) => cold('a 9ms #', { a: chunk(0, 0) }, lost);
    const flapping = run((cold) => [brief(cold)], ['a 259ms b 509ms c', joined], { until: '900ms !' });
    expect(flapping.filter(([, { state }]) => state === 'recovering').map(([at]) => at)).toEqual([10, 270, 780]);
    const stable = run((cold) => [brief(cold), cold('a 99ms b 9ms #', { a: chunk(0, 0), b: chunk(10, 0) }, lost)], ['a 259ms b 99ms c 259ms d', joined], { stableMs: 100, until: '630ms !' });
    expect(stable.filter(([, { state }]) => state === 'recovering').map(([at]) => at)).toEqual([10, 370]);
  });

  it('gives up on an error that will not go away, and after the last attempt', () => {
    const hopeless = run((cold) => [cold('10ms #', {}, fatal)], ['10ms #', {}, fatal]);
    expect(names(hopeless)).toEqual(['0 starting', '10 failed']);
    const tired = run((cold) => [cold('#', {}, lost)], ['750ms #', {}, lost], { maxAttempts: 2 });
    expect(names(tired)).toEqual(['0 starting', '0 recovering', '250 recovering', '750 failed']);
  });

  it('calls a silent live source stalled, opens it again after as long again', () => {
    const states = run(
      (cold) => [cold('a', { a: chunk(0, 10) }), cold('b 9ms |', { b: chunk(0, 460) })],
      ['a 449ms (gb) 6ms |', { a: chunk(0, 10), g: gap(10, 440, 'restart', 450), b: chunk(450, 460) }],
      { stallMs: 100 },
    );
    expect(names(states)).toEqual(['0 starting', '0 live', '100 stalled', '200 recovering', '450 live', '460 ended']);
    expect(states[2]![1].error).toMatchObject({ code: 'CAPTURE_STALLED', retryable: true });
  });

  it('takes a pause that ends by itself for what it is', () => {
    const [a, b] = [chunk(0, 10), chunk(10, 160)];
    const states = run((cold) => [cold('a 149ms b', { a, b })], ['a 149ms b', { a, b }], { stallMs: 100, until: '200ms !' });
    expect(names(states)).toEqual(['0 starting', '0 live', '100 stalled', '150 live']);
  });

  it('does not mind pauses of a source that is not live', () => {
    const states = run((cold) => [cold('a 59s |', { a: chunk(0, 10) })], ['a 59s |', { a: chunk(0, 10) }], { live: false });
    expect(names(states)).toEqual(['0 starting', '0 live', '59001 ended']);
  });

  it('opens again when nothing ever came', () => {
    const states = run((cold) => [cold('-'), cold('a|', { a: chunk(0, 10) })], ['750ms a|', { a: chunk(0, 10) }], { startMs: 500 });
    expect(names(states)).toEqual(['0 starting', '500 recovering', '750 live', '751 ended']);
  });

  it('reports the stall that a source noticed itself', () => {
    const stall = captureError('CAPTURE_STALLED', { message: 'silent', retryable: true });
    const states = run((cold) => [cold('a 9ms #', { a: chunk(0, 10) }, stall), cold('-')], ['a', { a: chunk(0, 10) }], { until: '100ms !' });
    expect(names(states)).toEqual(['0 starting', '0 live', '10 stalled', '10 recovering']);
  });

  it("keeps the source's own gaps on the counter, also after a restart", () => {
    run(
      (cold) => [
        cold('(ag) 6ms #', { a: chunk(0, 10), g: gap(10, 5, 'overrun', 15) }, lost),
        cold('(bgc|)', { b: chunk(0, 35), g: gap(10, 5, 'overrun', 40), c: chunk(15, 50) }),
      ],
      ['(ag) 256ms (hbic|)', { a: chunk(0, 10), g: gap(10, 5, 'overrun', 15), h: gap(15, 10, 'restart', 25), b: chunk(25, 35), i: gap(35, 5, 'overrun', 40), c: chunk(40, 50) }],
    );
  });

  it('never moves the counter back when clocks disagree', () => {
    run((cold) => [cold('a 9ms #', { a: chunk(0, 1000) }, lost), cold('(b|)', { b: chunk(0, 900) })], ['a 259ms (b|)', { a: chunk(0, 1000), b: chunk(10, 900) }]);
  });

  it('fails when the device comes back with another rate', () => {
    const states = run((cold) => [cold('a 9ms #', { a: chunk(0, 10) }, lost), cold('b', { b: chunk(0, 20, { sampleRateHz: 44_100 }) })], [
      'a 259ms #',
      { a: chunk(0, 10) },
      expect.objectContaining({ code: 'CAPTURE_FORMAT_CHANGED', retryable: false }),
    ]);
    expect(names(states).at(-1)).toBe('260 failed');
  });
});
