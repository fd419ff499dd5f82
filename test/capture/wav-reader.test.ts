import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readWav } from '../../src/capture/files/wav-reader.js';
import { StageError } from '../../src/common/stage-error.js';
import { chunk, int16Bytes, wavBytes } from './wav-bytes.js';

const values = [0, 16384, -32768, 32767, -1];
const data = int16Bytes(values);
const expected = Float32Array.from(values, (v) => v / 32768);
const codeOf = (bytes: Uint8Array): string => {
  try {
    readWav(bytes, 'test.wav');
    return 'none';
  } catch (error) {
    expect(error).toBeInstanceOf(StageError);
    return (error as StageError).code;
  }
};

describe('readWav', () => {
  it('reads 16-bit mono', () => {
    const audio = readWav(wavBytes({ bits: 16, data }), 'x');
    expect(audio).toEqual({ samples: expected, channels: 1, sampleRateHz: 4000, format: 'wav', durationMs: 1.25, warnings: [] });
  });

  it('reads 8 bits as unsigned', () => {
    const audio = readWav(wavBytes({ bits: 8, data: Uint8Array.of(0, 128, 255) }), 'x');
    expect([...audio.samples]).toEqual([-1, 0, 127 / 128]);
  });

  it('reads 24 and 32 bits with their sign', () => {
    const d24 = Uint8Array.of(0, 0, 0x80, 0xff, 0xff, 0xff, 0, 0, 0x40);
    expect([...readWav(wavBytes({ bits: 24, data: d24 }), 'x').samples]).toEqual([-1, Math.fround(-1 / 2 ** 23), 0.5]);
    const d32 = Buffer.alloc(8);
    d32.writeInt32LE(-(2 ** 31), 0);
    d32.writeInt32LE(2 ** 30, 4);
    expect([...readWav(wavBytes({ bits: 32, data: d32 }), 'x').samples]).toEqual([-1, 0.5]);
  });

  it('reads 24 bits that were put into 4 bytes', () => {
    const d = Buffer.alloc(8);
    d.writeInt32LE(0x40000000, 0);
    d.writeInt32LE(-0x80000000, 4);
    expect([...readWav(wavBytes({ bits: 24, blockAlign: 4, data: d }), 'x').samples]).toEqual([0.5, -1]);
  });

  it.each([32, 64])('passes NaN, infinities and overs of %i-bit floats through', (bits) => {
    const wanted = [NaN, Infinity, -Infinity, 3.5, -0.25];
    const floats = bits === 32 ? Float32Array.from(wanted) : Float64Array.from(wanted);
    const audio = readWav(wavBytes({ bits, tag: 3, data: new Uint8Array(floats.buffer) }), 'x');
    expect([...audio.samples]).toEqual(wanted);
  });

  it('reads WAVE_FORMAT_EXTENSIBLE, integer and float', () => {
    expect(readWav(wavBytes({ bits: 16, tag: 0xfffe, data }), 'x').samples).toEqual(expected);
    const floats = Float32Array.of(0.5, -2);
    expect(readWav(wavBytes({ bits: 32, tag: 0xfffe, subTag: 3, data: new Uint8Array(floats.buffer) }), 'x').samples).toEqual(floats);
  });

  it('keeps stereo interleaved, at 192 kHz', () => {
    const audio = readWav(wavBytes({ bits: 16, channels: 2, sampleRateHz: 192_000, data: int16Bytes([1, 2, 3, 4]) }), 'x');
    expect(audio).toMatchObject({ channels: 2, sampleRateHz: 192_000, durationMs: 2 / 192 });
    expect([...audio.samples].map((x) => x * 32768)).toEqual([1, 2, 3, 4]);
  });

  it('reads a single sample', () => {
    expect([...readWav(wavBytes({ bits: 16, data: int16Bytes([16384]) }), 'x').samples]).toEqual([0.5]);
  });

  it.each([true, false])('steps over odd chunks (padded: %s)', (padded) => {
    const before = [chunk('LIST', Uint8Array.of(1, 2, 3), 3, padded), chunk('JUNK', new Uint8Array(7), 7, padded)];
    expect(readWav(wavBytes({ bits: 16, data, before }), 'x').samples).toEqual(expected);
  });

  it('finds a format chunk after the data', () => {
    const whole = Buffer.from(wavBytes({ bits: 16, data }));
    const swapped = Buffer.concat([whole.subarray(0, 12), whole.subarray(36), whole.subarray(12, 36)]);
    expect(readWav(swapped, 'x').samples).toEqual(expected);
  });

  it.each([0, 1000, 0x7ffffff0, 0xffffffff])('reads what is there when the header states %i bytes', (statedSize) => {
    const audio = readWav(wavBytes({ bits: 16, data, statedSize }), 'x');
    expect(audio.samples).toEqual(expected);
    expect(audio.warnings).toHaveLength(1);
  });

  it('believes a data size of 0 when another chunk follows', () => {
    const after = [chunk('LIST', new Uint8Array(10))];
    expect(codeOf(wavBytes({ bits: 16, data: new Uint8Array(0), after }))).toBe('CAPTURE_FILE_EMPTY');
  });

  it('reads RF64 with its 64-bit size', () => {
    const ds64 = Buffer.alloc(28);
    ds64.writeBigUInt64LE(BigInt(data.length), 8);
    const bytes = Buffer.from(wavBytes({ bits: 16, data, statedSize: 0xffffffff, before: [chunk('ds64', ds64)], after: [chunk('LIST', new Uint8Array(6))] }));
    bytes.write('RF64', 0);
    expect(readWav(bytes, 'x')).toMatchObject({ samples: expected, warnings: [] });
  });

  it('drops half a sample at the end and says so', () => {
    const audio = readWav(wavBytes({ bits: 16, data: Buffer.concat([data, Buffer.of(9)]) }), 'x');
    expect(audio.samples).toEqual(expected);
    expect(audio.warnings[0]).toContain('1 bytes');
  });

  it('names the codec it does not read', () => {
    expect(codeOf(wavBytes({ bits: 4, tag: 0x11, data }))).toBe('CAPTURE_FILE_UNSUPPORTED');
    expect(() => readWav(wavBytes({ bits: 4, tag: 0x11, data }), 'a.wav')).toThrow(/a\.wav.*0x0011/);
  });

  it.each([
    ['no channels', { channels: 0 }],
    ['65535 channels', { channels: 65535 }],
    ['0 Hz', { sampleRateHz: 0 }],
    ['4 GHz', { sampleRateHz: 4_000_000_000 }],
  ])('refuses %s', (_, change) => {
    const bytes = Buffer.from(wavBytes({ bits: 16, data }));
    if ('channels' in change) bytes.writeUInt16LE(change.channels, 22);
    if ('sampleRateHz' in change) bytes.writeUInt32LE(change.sampleRateHz, 24);
    expect(codeOf(bytes)).toBe('CAPTURE_FILE_CORRUPT');
  });

  it('gives sound or a StageError for every truncation', () => {
    const bytes = wavBytes({ bits: 16, data });
    for (let length = 12; length < bytes.length; length++) {
      const code = codeOf(bytes.subarray(0, length));
      expect(code, `${length} bytes`).toBe(length < 44 ? 'CAPTURE_FILE_CORRUPT' : length < 46 ? 'CAPTURE_FILE_EMPTY' : 'none');
    }
  });

  it('never throws anything but a StageError, whatever the bytes', () => {
    const base = wavBytes({ bits: 24, channels: 2, data: new Uint8Array(60), before: [chunk('LIST', new Uint8Array(5))] });
    const patch = fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 12 });
    fc.assert(
      fc.property(patch, fc.nat(base.length), (patches, cut) => {
        const bytes = Uint8Array.from(base);
        for (const [at, value] of patches) bytes[at] = value;
        codeOf(bytes.subarray(0, Math.max(12, cut)));
      }),
      { numRuns: 3000 },
    );
  });
});
