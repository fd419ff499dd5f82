import { describe, expect, it } from 'vitest';
import { buildColorMap, colorWords } from '../../../web/draw/color-map.js';

/** sRGB bytes → Oklab, straight from Ottosson's definition (the inverse of what the map computes). */
function oklab(r: number, g: number, b: number): [number, number, number] {
  const linear = [r, g, b].map((byte) => {
    const x = byte / 255;
    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const [lr, lg, lb] = linear;
  const l = Math.cbrt(0.4122214708 * lr + 0.5363325363 * lg + 0.0514459929 * lb);
  const m = Math.cbrt(0.2119034982 * lr + 0.6806995451 * lg + 0.1073969566 * lb);
  const s = Math.cbrt(0.0883024619 * lr + 0.2817188376 * lg + 0.6299787005 * lb);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

describe('colour map', () => {
  const table = buildColorMap();
  const colors = Array.from({ length: 256 }, (_, i) => oklab(table[4 * i]!, table[4 * i + 1]!, table[4 * i + 2]!));

  it('goes from near black to near white, opaque', () => {
    expect(colors[0]![0]).toBeLessThan(0.2);
    expect(colors[255]![0]).toBeGreaterThan(0.9);
    for (let i = 0; i < 256; i += 1) expect(table[4 * i + 3]).toBe(255);
  });

  it('rises in equal steps of lightness, within what bytes can hold', () => {
    for (let i = 0; i < 256; i += 1) {
      const even = colors[0]![0] + ((colors[255]![0] - colors[0]![0]) * i) / 255;
      expect(Math.abs(colors[i]![0] - even)).toBeLessThan(0.008);
    }
  });

  it('has no jumps: a sixteenth of the range never looks more than thrice as large as another', () => {
    const steps = Array.from({ length: 15 }, (_, k) => {
      const [from, to] = [colors[17 * k]!, colors[17 * (k + 1)]!];
      return Math.hypot(from[0] - to[0], from[1] - to[1], from[2] - to[2]);
    });
    expect(Math.max(...steps) / Math.min(...steps)).toBeLessThan(3);
  });

  it('packs the same colours as ABGR words', () => {
    const words = colorWords(table);
    const bytes = new Uint8ClampedArray(words.buffer);
    expect([...bytes]).toEqual([...table]);
  });
});
