/**
 * The spectrogram's colour map, computed in Oklab (Ottosson 2020): lightness rises in equal steps from near black to
 * cream while the hue turns from indigo over rose to amber. Equal steps of level look equally large, and the map keeps
 * its order in greyscale and for colour-blind readers.
 */

const STEPS = 256;
const LIGHTNESS = { from: 0.13, to: 0.96 };
const HUE_DEGREES = { from: 285, to: 455 }; // 455° = 95°: through magenta and red, the short way round
const MAX_CHROMA = 0.19;

/** 256 × RGBA bytes, index = level. */
export function buildColorMap(): Uint8ClampedArray {
  const table = new Uint8ClampedArray(STEPS * 4);
  for (let i = 0; i < STEPS; i += 1) {
    const [r, g, b] = colorAt(i / (STEPS - 1));
    table.set([255 * r, 255 * g, 255 * b, 255], 4 * i);
  }
  return table;
}

/** The same 256 colours as little-endian ABGR words, for writing whole pixels into ImageData. */
export function colorWords(table: Uint8ClampedArray = buildColorMap()): Uint32Array {
  const words = new Uint32Array(STEPS);
  for (let i = 0; i < STEPS; i += 1) {
    const [r, g, b] = [table[4 * i]!, table[4 * i + 1]!, table[4 * i + 2]!];
    words[i] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  }
  return words;
}

function colorAt(t: number): [number, number, number] {
  const lightness = LIGHTNESS.from + (LIGHTNESS.to - LIGHTNESS.from) * t;
  const hue = ((HUE_DEGREES.from + (HUE_DEGREES.to - HUE_DEGREES.from) * t) * Math.PI) / 180;
  // Lightness is never given up: where sRGB can't show the chroma, the chroma shrinks.
  let chroma = MAX_CHROMA * Math.sin(Math.PI * Math.min(1, 0.12 + 0.8 * t));
  for (;;) {
    const rgb = oklabToLinear(lightness, chroma * Math.cos(hue), chroma * Math.sin(hue));
    if (chroma < 1e-3 || rgb.every((x) => x >= 0 && x <= 1)) return rgb.map(encode) as [number, number, number];
    chroma *= 0.97;
  }
}

function oklabToLinear(lightness: number, a: number, b: number): [number, number, number] {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

/** Linear light → sRGB, 0…1. */
function encode(x: number): number {
  const clamped = Math.min(1, Math.max(0, x));
  return clamped <= 0.0031308 ? 12.92 * clamped : 1.055 * clamped ** (1 / 2.4) - 0.055;
}
