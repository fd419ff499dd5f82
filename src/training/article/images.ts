/**
 * The article's pictures: a clip's whole mel spectrogram in decibels below its loudest point, as a grey image stretched
 * to a square. Stretching shows a clip's length, which in PASCAL B tells labels apart (data README): the recipe `heart`
 * avoids that, this one repeats the article.
 */
import { melSpectrogram, powerToDb, type FeatureParams } from '../../features/index.js';

/** Mean and deviation of ImageNet's pixels (.485 .456 .406 and .229 .224 .225), averaged over the colours. */
export const PIXEL_MEAN = 0.449;
export const PIXEL_DEVIATION = 0.226;

/** Grey levels 0 (topDb or more below the loudest) … 1, rows from the highest band down, as a plotted spectrogram has them. */
export interface Picture {
  pixels: Float32Array;
  height: number;
  width: number;
}

export function clipPicture(pcm: Float32Array, params: FeatureParams): Picture {
  const { data, frames } = melSpectrogram(pcm, params.mel);
  const decibels = powerToDb(data, params.db);
  const range = params.db.topDb ?? 80;
  const top = decibels.reduce((max, x) => Math.max(max, x), -Infinity);
  const { nMels } = params.mel;
  const pixels = new Float32Array(decibels.length);
  for (let band = 0; band < nMels; band++) {
    for (let t = 0; t < frames; t++) pixels[(nMels - 1 - band) * frames + t] = Math.max(0, 1 + ((decibels[band * frames + t] ?? top) - top) / range);
  }
  return { pixels, height: nMels, width: frames };
}

/** To a square of `size` pixels a side; see resizeTo. */
export function resizeBilinear(picture: Picture, size: number, out: Float32Array, at: number): void {
  resizeTo(picture, { height: size, width: size }, out, at);
}

/** Bilinear with pixel centres at half integers and edges held (PIL's and PyTorch's `align_corners=False`). */
export function resizeTo({ pixels, height, width }: Picture, to: { height: number; width: number }, out: Float32Array, at = 0): void {
  const columns = Array.from({ length: to.width }, (_, x) => neighbours(x, to.width, width));
  for (let y = 0; y < to.height; y++) {
    const row = neighbours(y, to.height, height);
    const [upper, lower] = [row.low * width, row.high * width];
    for (let x = 0; x < to.width; x++) {
      const { low, high, share } = columns[x]!;
      const above = pixels[upper + low]! + share * (pixels[upper + high]! - pixels[upper + low]!);
      const below = pixels[lower + low]! + share * (pixels[lower + high]! - pixels[lower + low]!);
      out[at + y * to.width + x] = above + row.share * (below - above);
    }
  }
}

/** Where output pixel `i` of `size` lies among `source` pixels. */
function neighbours(i: number, size: number, source: number): { low: number; high: number; share: number } {
  const position = Math.max(0, Math.min(source - 1, ((i + 0.5) * source) / size - 0.5));
  const low = Math.floor(position);
  return { low, high: Math.min(source - 1, low + 1), share: position - low };
}

/** Network input of pictures: resized, scaled as ImageNet's pixels are. n × size × size. */
export function networkInput(pictures: readonly Picture[], size: number): Float32Array {
  const x = new Float32Array(pictures.length * size * size);
  pictures.forEach((picture, i) => resizeBilinear(picture, size, x, i * size * size));
  for (let i = 0; i < x.length; i++) x[i] = (x[i]! - PIXEL_MEAN) / PIXEL_DEVIATION;
  return x;
}
