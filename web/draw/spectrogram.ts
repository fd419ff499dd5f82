/**
 * The scrolling spectrogram. New columns are written once into a small off-screen ring (one pixel per value); each
 * redraw copies that ring, scaled, in at most two pieces. Missing columns stay transparent.
 */
import { LIVE_SECONDS, type LiveBuffer } from '../data/live-buffer.js';
import type { Surface } from './canvas.js';
import { colorWords } from './color-map.js';
import { type DbRange, settleRange, suggestRange } from './levels.js';

const words = colorWords();
/** How often the colours' range is looked at anew, in columns. */
const RANGE_EVERY_COLUMNS = 64;

export class SpectrogramPainter {
  private readonly ring = document.createElement('canvas');
  private readonly context: CanvasRenderingContext2D;
  private drawnFrom: LiveBuffer['format'] | undefined;
  private epoch = -1;
  private drawnTo = 0;
  private rangedAt = 0;
  range: DbRange | undefined;

  constructor() {
    const context = this.ring.getContext('2d');
    if (context === null) throw new Error('This browser offers no 2D canvas.');
    this.context = context;
  }

  paint(surface: Surface, buffer: LiveBuffer): void {
    this.catchUp(buffer);
    surface.clear();
    const { columns, format } = buffer;
    const { context, width, height } = surface;
    const pxPerColumn = (width * format.columnHopSamples) / (LIVE_SECONDS * format.sampleRateHz);
    const rightEdge = buffer.endSample / format.columnHopSamples;
    context.imageSmoothingEnabled = true;
    for (const [from, to] of pieces(columns.start, columns.end, columns.capacity)) {
      const x = width - (rightEdge - from) * pxPerColumn;
      const at = from % columns.capacity;
      context.drawImage(this.ring, at, 0, to - from, format.nMels, x, 0, (to - from) * pxPerColumn, height);
    }
  }

  private catchUp(buffer: LiveBuffer): void {
    const { columns, format, epoch } = buffer;
    if (this.drawnFrom !== format || this.epoch !== epoch) {
      Object.assign(this.ring, { width: columns.capacity, height: format.nMels });
      Object.assign(this, { drawnFrom: format, epoch, drawnTo: columns.start, range: undefined, rangedAt: 0 });
    }
    let from = Math.max(this.drawnTo, columns.start);
    if (from >= columns.end) return;
    if (this.updateRange(buffer)) from = columns.start;
    if (this.range === undefined) return;
    for (const [first, end] of pieces(from, columns.end, columns.capacity)) this.writeColumns(buffer, first, end, this.range);
    this.drawnTo = columns.end;
  }

  /** @returns true when the range changed and everything has to be written anew */
  private updateRange({ columns }: LiveBuffer): boolean {
    if (this.range !== undefined && columns.end - this.rangedAt < RANGE_EVERY_COLUMNS) return false;
    this.rangedAt = columns.end;
    const suggested = suggestRange(columns);
    if (suggested === undefined) return false;
    const settled = settleRange(this.range, suggested);
    const changed = settled !== this.range;
    this.range = settled;
    return changed;
  }

  /** The slots lie side by side in the ring (see `pieces`). */
  private writeColumns({ columns, format }: LiveBuffer, first: number, end: number, range: DbRange): void {
    const image = this.context.createImageData(end - first, format.nMels);
    const pixels = new Uint32Array(image.data.buffer);
    const scale = 255 / (range.maxDb - range.minDb);
    for (let slot = first; slot < end; slot += 1) {
      for (let band = 0; band < format.nMels; band += 1) {
        const db = columns.at(slot, band);
        if (Number.isNaN(db)) continue;
        const level = Math.min(255, Math.max(0, Math.round((db - range.minDb) * scale)));
        // Band 0 is the lowest frequency: the bottom row.
        pixels[(format.nMels - 1 - band) * (end - first) + slot - first] = words[level]!;
      }
    }
    this.context.putImageData(image, first % columns.capacity, 0);
  }
}

/** A span of slots as one or two spans that don't wrap in the ring. */
export function pieces(from: number, to: number, capacity: number): Array<[number, number]> {
  if (to <= from) return [];
  const wrap = from - (from % capacity) + capacity;
  return to <= wrap ? [[from, to]] : [[from, wrap], [wrap, to]];
}
