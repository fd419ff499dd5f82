import { describe, expect, it } from 'vitest';
import { Value } from '@sinclair/typebox/value';
import { Display, DISPLAY_DB } from '../../src/app/display.js';
import type { ConditionedChunk } from '../../src/condition/types.js';
import { Frames } from '../../src/protocol/messages.js';

const chunk = (startSample: number, samples: number[]): ConditionedChunk => ({
  kind: 'chunk', streamId: 's', samples: Float32Array.from(samples), sampleRateHz: 2000, startSample, capturedAtMs: 0, clippedSamples: 0, nonFiniteSamples: 0,
});
const block = (startSample: number, melDb: number[]) => ({
  kind: 'frames' as const, streamId: 's', startSample, melDb: Float32Array.from(melDb), columns: melDb.length / 2, nMels: 2,
});

describe('Display', () => {
  it('keeps the extremes of every group of samples across chunks, and says where they lie', () => {
    const display = new Display(2000);
    display.listen(chunk(40, [0.1, -0.5, 0.2, 0, 0, 0]));
    display.listen(chunk(46, [0, 0.9, 0, 0, /* next pair */ 0.3]));
    const first = display.message(block(0, [0, 0]));
    expect(first.waveform).toEqual({ startSample: 40, samplesPerPair: 10, pairs: [-0.5, 0.9] });
    display.listen(chunk(51, [0, 0, 0, 0, 0, 0, 0, 0, -0.25]));
    expect(display.message(block(64, [0, 0])).waveform).toEqual({ startSample: 50, samplesPerPair: 10, pairs: [-0.25, 0.3] });
  });

  it('starts afresh after a gap', () => {
    const display = new Display(2000);
    display.listen(chunk(0, [1, 1, 1]));
    display.listen({ kind: 'gap', streamId: 's', sampleRateHz: 2000, startSample: 3, lengthSamples: 97, reason: 'overrun', capturedAtMs: 0 });
    display.listen(chunk(100, new Array<number>(10).fill(0.5)));
    expect(display.message(block(0, [0, 0])).waveform).toEqual({ startSample: 100, samplesPerPair: 10, pairs: [0.5, 0.5] });
  });

  it('maps decibels to bytes, clamped, and the message keeps to its schema', () => {
    const message = new Display(2000).message(block(0, [DISPLAY_DB.min, DISPLAY_DB.max, -500, 500]));
    expect([...Buffer.from(message.melDb, 'base64')]).toEqual([0, 255, 0, 255]);
    expect(Value.Check(Frames, message)).toBe(true);
  });
});
