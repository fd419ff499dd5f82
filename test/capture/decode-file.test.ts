import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { decodeBytes, decodeFile } from '../../src/capture/files/decode-file.js';
import { Decoders } from '../../src/capture/files/decoders.js';
import { splitFlac } from '../../src/capture/files/flac-frames.js';
import { StageError } from '../../src/common/stage-error.js';
import { packageRoot } from '../../src/common/paths.js';
import { int16Bytes, wavBytes } from './wav-bytes.js';

const fixtures = join(packageRoot, 'test', 'capture', 'fixtures');
const fixture = (name: string) => join(fixtures, name);
const folder = mkdtempSync(join(tmpdir(), 'stethostream-decode-'));
const decoders = new Decoders();
afterAll(() => {
  decoders.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Root mean square of a − b over their common length, relative to that of a. */
function relativeError(a: Float32Array, b: Float32Array): number {
  let difference = 0;
  let power = 0;
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    difference += (a[i]! - b[i]!) ** 2;
    power += a[i]! ** 2;
  }
  return Math.sqrt(difference / power);
}

const channelOf = (stereo: Float32Array, channel: number) => stereo.filter((_, i) => i % 2 === channel);

/** Normalised correlation at lag 0. */
function correlation(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

describe('decodeFile', () => {
  it.each([
    ['heart.flac', 'flac', 0],
    ['heart-24.flac', 'flac', 0],
    ['heart-flac.oga', 'ogg-flac', 0],
    ['heart.mp3', 'mp3', 0.07],
    ['heart-vorbis.ogg', 'ogg-vorbis', 0.2],
  ])('decodes %s to the sound it was made from', async (name, format, tolerance) => {
    const original = await decodeFile(fixture('heart.wav'));
    const audio = await decodeFile(fixture(name), decoders);
    expect(audio).toMatchObject({ format, channels: 1, sampleRateHz: 8000, durationMs: 1500, warnings: [] });
    expect(audio.samples.length).toBe(12_000);
    expect(relativeError(original.samples, audio.samples)).toBeLessThanOrEqual(tolerance);
  });

  it('decodes Opus, always at 48 kHz', async () => {
    const original = await decodeFile(fixture('heart.wav'));
    const audio = await decodeFile(fixture('heart-opus.ogg'), decoders);
    expect(audio).toMatchObject({ format: 'ogg-opus', channels: 1, sampleRateHz: 48_000, durationMs: 1500 });
    const every6th = audio.samples.filter((_, i) => i % 6 === 0);
    expect(relativeError(original.samples, every6th)).toBeLessThan(0.2);
  });

  it.each(['heart-stereo.flac', 'heart-stereo.mp3'])('keeps the channels of %s apart', async (name) => {
    const original = await decodeFile(fixture('heart-stereo.wav'));
    const audio = await decodeFile(fixture(name), decoders);
    expect(audio.channels).toBe(2);
    expect(audio.samples.length).toBe(24_000);
    // MP3 loses much of so low a sound; what counts is that each channel is its own.
    for (const channel of [0, 1]) {
      const decoded = channelOf(audio.samples, channel);
      expect(correlation(channelOf(original.samples, channel), decoded)).toBeGreaterThan(0.7);
      expect(Math.abs(correlation(channelOf(original.samples, 1 - channel), decoded))).toBeLessThan(0.1);
    }
  });

  it('recognises by content, not by name', async () => {
    const path = join(folder, 'looks-like.mp3');
    writeFileSync(path, readFileSync(fixture('heart.flac')));
    expect((await decodeFile(path, decoders)).format).toBe('flac');
  });

  it('skips an ID3 tag before FLAC and MP3', async () => {
    const tag = Buffer.concat([Buffer.from([0x49, 0x44, 0x33, 4, 0, 0, 0, 0, 0, 20]), Buffer.alloc(20)]);
    for (const name of ['heart.flac', 'heart.mp3']) {
      const plain = await decodeFile(fixture(name), decoders);
      const tagged = await decodeBytes(Buffer.concat([tag, readFileSync(fixture(name))]), name, decoders);
      expect(tagged.samples).toEqual(plain.samples);
    }
  });

  it('gives the same samples when many files share the decoders at once', async () => {
    const names = ['heart.flac', 'heart-24.flac', 'heart.mp3', 'heart-flac.oga', 'heart.flac', 'heart-vorbis.ogg'];
    const together = await Promise.all(names.map((name) => decodeFile(fixture(name), decoders)));
    for (const [i, name] of names.entries()) expect(together[i]!.samples).toEqual((await decodeFile(fixture(name))).samples);
  });
});

describe('files that cannot be decoded', () => {
  const write = (name: string, bytes: Uint8Array | string) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };

  it('names what is wrong', async () => {
    await expect(decodeFile(join(folder, 'no.wav'))).rejects.toMatchObject({ code: 'CAPTURE_FILE_NOT_FOUND' });
    await expect(decodeFile(write('empty.wav', ''))).rejects.toMatchObject({ code: 'CAPTURE_FILE_EMPTY' });
    mkdirSync(join(folder, 'dir.wav'));
    await expect(decodeFile(join(folder, 'dir.wav'))).rejects.toMatchObject({ code: 'CAPTURE_FILE_UNREADABLE' });
    const text = decodeFile(write('text.wav', 'hello, this is no sound'));
    await expect(text).rejects.toMatchObject({ code: 'CAPTURE_FILE_UNSUPPORTED', message: expect.stringMatching(/68 65 6c 6c 6f.*"hello, t".*WAV, FLAC, MP3/) });
    await expect(decodeFile(write('one-byte', 'R'))).rejects.toMatchObject({ code: 'CAPTURE_FILE_UNSUPPORTED' });
    await expect(decodeFile(write('x.flac', 'fLaC and nothing that follows'))).rejects.toMatchObject({ code: 'CAPTURE_FILE_CORRUPT' });
  });

  it.skipIf(spawnSync('which', ['mkfifo']).status !== 0)('does not wait for a FIFO (skipped where mkfifo is missing)', async () => {
    const path = join(folder, 'fifo.wav');
    spawnSync('mkfifo', [path]);
    await expect(decodeFile(path)).rejects.toMatchObject({ code: 'CAPTURE_FILE_UNREADABLE' });
  });

  it('decodes a 1-sample file', async () => {
    expect((await decodeBytes(wavBytes({ bits: 16, data: int16Bytes([7]) }), 'x')).samples.length).toBe(1);
  });
});

describe('damaged files', () => {
  // The codecs print what they think on the console; that is not what is tested.
  beforeEach(() => void vi.spyOn(console, 'error').mockImplementation(() => undefined));
  afterEach(() => vi.restoreAllMocks());
  const names = readdirSync(fixtures).filter((name) => /\.(wav|flac|mp3|ogg|oga)$/.test(name));

  it('keeps the sound before the cut of a truncated FLAC and says that some is missing', async () => {
    const bytes = readFileSync(fixture('heart.flac'));
    const audio = await decodeBytes(bytes.subarray(0, Math.floor(bytes.length * 0.8)), 'cut.flac', decoders);
    const whole = await decodeFile(fixture('heart.flac'), decoders);
    expect(audio.samples.length).toBeGreaterThanOrEqual(8192);
    expect(audio.samples.subarray(0, 8192)).toEqual(whole.samples.subarray(0, 8192));
    expect(audio.warnings.join()).toMatch(/states 12000 samples|checksum/);
  });

  it.each(names)('%s, cut or with flipped bytes, gives sound or a StageError', async (name) => {
    const original = readFileSync(fixture(name));
    const flips = fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { maxLength: 8 });
    const cut = fc.oneof(fc.constant(original.length), fc.nat(original.length), fc.nat(200));
    await fc.assert(
      fc.asyncProperty(flips, cut, async (changes, length) => {
        const bytes = Uint8Array.from(original);
        for (const [at, value] of changes) bytes[at] = value;
        try {
          const audio = await decodeBytes(bytes.subarray(0, length), name, decoders);
          expect(audio.samples.length).toBeGreaterThan(0);
          expect(audio.samples.length % audio.channels).toBe(0);
          expect(audio.sampleRateHz).toBeGreaterThan(0);
        } catch (error) {
          if (!(error instanceof StageError)) throw error;
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each(['heart-opus.ogg', 'heart-vorbis.ogg', 'heart-flac.oga'])('says that %s was cut off, and adds no sound of its own', async (name) => {
    const whole = await decodeFile(fixture(name), decoders);
    const bytes = readFileSync(fixture(name));
    const last = bytes.lastIndexOf('OggS');
    // Within the last page's sound, and within its header.
    for (const end of [bytes.length - 200, last + 10]) {
      const cut = await decodeBytes(bytes.subarray(0, end), name, decoders).catch((error: unknown) => error as StageError);
      if (cut instanceof StageError) expect(cut.code).toBe('CAPTURE_FILE_CORRUPT');
      else {
        expect(cut.durationMs).toBeLessThan(whole.durationMs);
        expect(cut.warnings.join()).toMatch(new RegExp(`the file ends within an Ogg page, ${end - last} bytes`));
      }
    }
  });

  it('says that a page of an Ogg file is damaged', async () => {
    const bytes = readFileSync(fixture('heart-vorbis.ogg'));
    bytes.fill(0, bytes.length - 300, bytes.length - 280);
    expect((await decodeBytes(bytes, 'x.ogg', decoders)).warnings.join()).toMatch(/1 Ogg pages are damaged/);
  });

  it('works on after a damaged file', async () => {
    await decodeBytes(readFileSync(fixture('heart.flac')).subarray(0, 9000), 'cut', decoders);
    expect((await decodeFile(fixture('heart.flac'), decoders)).samples).toEqual((await decodeFile(fixture('heart-24.flac'), decoders)).samples);
  });
});

describe('splitFlac', () => {
  it('gives frames that together are the file without its metadata', () => {
    const bytes = readFileSync(fixture('heart.flac'));
    const { info, frames, damaged } = splitFlac(bytes);
    expect(info).toEqual({ sampleRateHz: 8000, channels: 1, bitsPerSample: 16, totalSamples: 12_000 });
    expect(damaged).toBe(0);
    expect(frames.length).toBe(3);
    const total = frames.reduce((sum, frame) => sum + frame.length, 0);
    expect(Buffer.concat(frames)).toEqual(bytes.subarray(bytes.length - total));
  });
});

const shared = join(packageRoot, '..', 'shared', 'data');
const sox = spawnSync('which', ['sox']).status === 0;
describe.skipIf(!existsSync(shared) || !sox)('real recordings against sox (skipped without ../shared/data or sox)', () => {
  // New_AS_048 is the one whose last frame holds the bytes of a frame header.
  // The body of a skipped describe is run all the same.
  const files = !existsSync(shared) ? ['none'] : [
    join(shared, 'yaseen', 'AS_New', 'New_AS_048.flac'),
    ...['set_a', 'set_b'].flatMap((set) =>
      readdirSync(join(shared, 'pascal', set)).filter((name) => name.endsWith('.flac')).filter((_, i) => i % 60 === 0).map((name) => join(shared, 'pascal', set, name)),
    ),
  ];

  it.each(files)('%s is bit-exact', async (path) => {
    const raw = spawnSync('sox', [path, '-t', 'raw', '-e', 'signed-integer', '-b', '16', '-'], { maxBuffer: 2 ** 28 }).stdout;
    const audio = await decodeFile(path, decoders);
    const integers = Buffer.from(Int16Array.from(audio.samples, (x) => x * 32768).buffer);
    expect(audio.samples.length).toBe(raw.length / 2);
    expect(Buffer.compare(integers, raw)).toBe(0);
  });
});
