/** PNG of a matrix of levels: in the colours of matplotlib's "magma" (black over violet and orange to light yellow), or as a veil to lay over such a picture. */
import { crc32, deflateSync } from 'node:zlib';

const STOPS = [0x000004, 0x1c1044, 0x4f127b, 0x812581, 0xb5367a, 0xe55964, 0xfb8761, 0xfec287, 0xfcfdbf] as const;

/**
 * An 8-bit palette PNG (W3C PNG specification, second edition).
 * @param levels width × height values from 0 (dark) to 1 (bright), row-major, top row first.
 */
export function encodePng(levels: Float32Array, width: number, height: number): Uint8Array {
  return indexedPng(levels, width, height, [chunk('PLTE', palette())]);
}

/** Steps of a veil: few, since they compress well and look smooth. */
const VEIL_STEPS = 24;
/** Opacity of the veil's full colour. */
const VEIL_OPACITY = 0.62;
/** Seen best over the picture in greys. */
export const VEIL_COLOUR = 0xff7a00;

/** One colour, from nothing (0) to nearly opaque (1). */
export function encodeVeilPng(levels: Float32Array, width: number, height: number): Uint8Array {
  const colours = Buffer.alloc(768);
  for (let i = 0; i < 256; i++) colours.writeUIntBE(VEIL_COLOUR, 3 * i, 3);
  const opacity = Buffer.from(Array.from({ length: 256 }, (_, i) => Math.round(VEIL_OPACITY * i)));
  const stepped = levels.map((level) => Math.round(VEIL_STEPS * Math.max(0, level)) / VEIL_STEPS);
  return indexedPng(stepped, width, height, [chunk('PLTE', colours), chunk('tRNS', opacity)]);
}

function indexedPng(levels: Float32Array, width: number, height: number, colours: readonly Buffer[]): Uint8Array {
  const rows = Buffer.alloc(height * (width + 1));
  for (let y = 0; y < height; y++) {
    // Byte 0 of each row says "no filter".
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = Math.round(255 * Math.max(0, Math.min(1, levels[y * width + x] ?? 0)));
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), ...colours, chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

function palette(): Buffer {
  const table = Buffer.alloc(768);
  for (let i = 0; i < 256; i++) {
    const position = (i / 255) * (STOPS.length - 1);
    const below = Math.min(STOPS.length - 2, Math.floor(position));
    const [a, b] = [STOPS[below] ?? 0, STOPS[below + 1] ?? 0];
    [16, 8, 0].forEach((shift, channel) => {
      const [from, to] = [(a >> shift) & 255, (b >> shift) & 255];
      table[3 * i + channel] = Math.round(from + (to - from) * (position - below));
    });
  }
  return table;
}
