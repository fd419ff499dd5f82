/**
 * 10·log10 of many powers at once. Math.log10 is a call out of compiled code, and took as long as half of the FFT; a
 * table of 256 mantissas and a cubic correction stay within 1e-10 dB of it.
 */

/** Smallest power of which a logarithm is taken: −300 dB, far below any `amin`. */
const TINY_POWER = 1e-30;
const DB_PER_DOUBLING = 10 * Math.log10(2);
const DB_PER_NEPER = 10 / Math.LN10;

const EXPONENTS = 2047;
/** 2^−exponent and the decibels of 2^exponent, by the biased exponent of a double. */
const downScale = Float64Array.from({ length: EXPONENTS }, (_, biased) => 2 ** (1023 - biased));
const exponentDb = Float64Array.from({ length: EXPONENTS }, (_, biased) => (biased - 1023) * DB_PER_DOUBLING);
/** Reciprocals and decibels of the middles of 256 equal parts of 1…2. */
const inverse = Float64Array.from({ length: 256 }, (_, part) => 1 / (1 + (part + 0.5) / 256));
const partDb = inverse.map((x) => -10 * Math.log10(x));

/** Converts powers held in its own array, since it reads their bits. */
export class DecibelConverter {
  /** Powers to convert, ≥ 0 and finite. */
  readonly powers: Float64Array;
  private readonly words: Uint32Array;
  private readonly highWord: 0 | 1;

  constructor(length: number) {
    this.powers = new Float64Array(length);
    this.words = new Uint32Array(this.powers.buffer);
    this.highWord = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0;
  }

  /** Writes 10·log10(max(power, 1e-30)) of each power to out[start + i · stride]. */
  convert(out: Float32Array, start: number, stride: number): void {
    const { powers, words, highWord } = this;
    for (let i = 0, o = start; i < powers.length; i++, o += stride) {
      if (powers[i]! < TINY_POWER) powers[i] = TINY_POWER;
      const high = words[2 * i + highWord]!;
      const exponent = high >>> 20;
      const part = (high >>> 12) & 255;
      const r = powers[i]! * downScale[exponent]! * inverse[part]! - 1;
      out[o] = exponentDb[exponent]! + partDb[part]! + DB_PER_NEPER * r * (1 - r * (0.5 - r * (1 / 3)));
    }
  }
}
