import { describe, expect, it } from 'vitest';
import { fastMathPays, fastMathSupported, precisionNotes, precisionOf, precisionWarnings } from '../../../src/training/engine/fast-math.js';

const cpu = (flags: string) => () => `processor\t: 0\nmodel name\t: some\nflags\t\t: fpu sse2 ${flags} avx512f\nbugs\t\t: amx_bf16\n`;

describe('fast math', () => {
  it.each([
    ['no instructions', 'avx2', false, false],
    ['AVX-512 alone', 'avx512_bf16', true, false],
    ['AMX', 'avx512_bf16 amx_tile amx_bf16', true, true],
    ['AMX without bfloat16', 'amx_tile amx_int8', false, false],
  ])('%s: known from the flags of the processor', (_, flags, supported, pays) => {
    expect([fastMathSupported(cpu(flags)), fastMathPays(cpu(flags))]).toEqual([supported, pays]);
  });

  it('is not there where the processor can’t be asked', () => {
    const missing = () => {
      throw new Error('ENOENT');
    };
    expect([fastMathSupported(missing), fastMathPays(missing)]).toEqual([false, false]);
  });

  it('tells a run that asks for it and does not get it, and no other', () => {
    expect(precisionOf(false)).toBe('float32');
    expect(precisionWarnings(false)).toEqual([]);
    expect(precisionOf(true)).toBe(fastMathPays() ? 'bfloat16' : 'float32');
    expect(precisionWarnings(true)).toEqual(fastMathPays() ? [] : [expect.stringContaining('--fast-math')]);
    expect(precisionNotes('float32')).toEqual([]);
    expect(precisionNotes('bfloat16')).toHaveLength(1);
  });
});
