import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSource, parseSourceSpec } from '../../src/capture/source-spec.js';
import { isStreamId, streamIdFrom } from '../../src/capture/stream-id.js';
import { StageError } from '../../src/common/stage-error.js';

const failing = (spec: string): StageError => {
  try {
    parseSourceSpec(spec);
  } catch (error) {
    if (error instanceof StageError) return error;
    throw error;
  }
  throw new Error(`${spec} was accepted`);
};

describe('createSource', () => {
  it.each([
    ['synth', 'synth', true],
    ['synth:murmur?bpm=80&grade=4&seed=7', 'synth-murmur', true],
    ['synth?seed=3', 'synth', true],
    ['synth:normal?speed=max', 'synth-normal', false],
    ['file:/x/Herz töne 1.wav', 'Herz-tone-1', true],
    ['file:a.b.flac?speed=max&loop=1', 'a.b', false],
    ['mic', 'mic', true],
    ['mic:USB stethoscope', 'mic-USB-stethoscope', true],
    ['mic:USB?rate=16000&channels=1', 'mic-USB', true],
  ])('%s is the stream %s', (spec, streamId, live) => {
    expect(createSource(spec)).toMatchObject({ spec, streamId, live });
    expect(createSource(spec).streamId).toBe(streamId);
  });

  it('lets the caller override id and speed', () => {
    expect(createSource('synth', { streamId: 'bed-4', speed: Infinity })).toMatchObject({ streamId: 'bed-4', live: false });
    expect(() => createSource('synth', { streamId: 'no good' })).toThrow(/"no good"/);
    expect(() => createSource('synth', { speed: 0 })).toThrow(StageError);
    expect(() => createSource('synth', { speed: NaN })).toThrow(StageError);
  });

  it('makes the sound that the options ask for', async () => {
    const open = (spec: string) => firstValueFrom(createSource(spec, { speed: Infinity }).open());
    expect(await open('synth:normal?rate=8000')).toMatchObject({ kind: 'chunk', streamId: 'synth-normal', sampleRateHz: 8000, channels: 1, startSample: 0 });
    expect(await open('synth:normal?seed=1')).not.toEqual(await open('synth:normal?seed=2'));
  });

  it('reads a path that holds a question mark', async () => {
    const path = join('/nowhere', 'what?.wav');
    await expect(firstValueFrom(createSource(`file:${path}`).open())).rejects.toMatchObject({ code: 'CAPTURE_FILE_NOT_FOUND', message: expect.stringContaining(path) });
  });
});

describe('bad specifications', () => {
  it.each(['', 'tcp://host', 'Synth', 'microphone', 'http:x', ':', 'constructor:x', '__proto__'])('"%s" is an unknown source, and the known ones are named', (spec) => {
    const { code, remedy } = failing(spec);
    expect(code).toBe('CAPTURE_UNKNOWN_SOURCE');
    for (const known of ['synth', 'file:', 'mic']) expect(remedy).toContain(known);
  });

  it.each([
    ['synth:gallop', /normal, murmur, extrasystole, artifact/],
    ['synth?tempo=3', /bpm, seed, rate/],
    ['synth?bpm=300', /40 to 180/],
    ['synth?bpm=', /40 to 180/],
    ['synth?seed=1.5', /whole number/],
    ['synth:murmur?timing=late', /systolic, holosystolic, mid-systolic, diastolic/],
    ['synth:normal?grade=3', /bpm, seed/],
    ['synth?constructor=1', /bpm, seed/],
    ['file:', /file:PATH/],
    ['file:x.wav?speed=-1', /0.01 to 1000, or max/],
    ['file:x.wav?loop=maybe', /1 or 0/],
    ['mic:x?rate=1', /1000 to 192000 Hz/],
  ])('%s is refused, saying what is allowed', (spec, remedy) => {
    expect(failing(spec)).toMatchObject({ code: 'CAPTURE_SOURCE_SPEC_INVALID', remedy: expect.stringMatching(remedy) });
  });

  it('never throws anything but a StageError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string().map((s) => `synth${s}`), fc.string().map((s) => `synth:murmur?${s}`), fc.string().map((s) => `file:${s}`), fc.string().map((s) => `mic:${s}`)), (spec) => {
        try {
          const { streamId } = createSource(spec);
          expect(isStreamId(streamId)).toBe(true);
        } catch (error) {
          if (!(error instanceof StageError)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('streamIdFrom', () => {
  it('is always an id, and the same for the same name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (name) => {
        expect(isStreamId(streamIdFrom(name))).toBe(true);
        expect(streamIdFrom(name)).toBe(streamIdFrom(name));
      }),
    );
  });
});
