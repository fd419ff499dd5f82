/**
 * IEEE 754 half precision (binary16) and bfloat16, bit patterns in and out.
 * Narrowing rounds to nearest, ties to even; magnitudes from 65520 on become infinity, those up to 2⁻²⁵ become zero.
 */

const bits = new DataView(new ArrayBuffer(4));

/** Bit pattern of the half nearest to `value`; every NaN becomes the quiet NaN 0x7e00 with its sign dropped. */
export function toFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  // A double goes through single first: rounding twice would break ties wrongly, so inputs are float32 by contract.
  bits.setFloat32(0, value);
  const single = bits.getUint32(0);
  const sign = (single >>> 16) & 0x8000;
  const exponent = ((single >>> 23) & 0xff) - 127;
  const fraction = single & 0x7fffff;
  if (exponent > 15) return sign | 0x7c00;
  if (exponent >= -14) {
    // A carry out of the fraction raises the exponent, up to infinity: exactly what rounding asks for.
    return sign | roundedShift(((exponent + 15) << 23) | fraction, 13);
  }
  // Subnormal: the hidden bit becomes explicit and moves right. Below 2⁻²⁵ nothing is left to round.
  if (exponent < -25) return sign;
  return sign | roundedShift(0x800000 | fraction, -1 - exponent);
}

/** `value` >> `shift`, rounded to nearest, ties to even. */
function roundedShift(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const up = rest > half || (rest === half && (kept & 1) === 1);
  return up ? kept + 1 : kept;
}

/** Value of a half's bit pattern, exact. */
export function fromFloat16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Value of a bfloat16's bit pattern: the upper half of a float32, exact. */
export function fromBfloat16(half: number): number {
  bits.setUint32(0, (half << 16) >>> 0);
  return bits.getFloat32(0);
}

/** All of `values` as halves, little-endian bytes. */
export function packFloat16(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.length * 2);
  for (let i = 0; i < values.length; i++) {
    const half = toFloat16(values[i]!);
    bytes[2 * i] = half & 0xff;
    bytes[2 * i + 1] = half >>> 8;
  }
  return bytes;
}
