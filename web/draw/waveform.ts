/** The live waveform: an envelope of minima and maxima, with the window that the current label belongs to. */
import { LIVE_SECONDS, type LiveBuffer } from '../data/live-buffer.js';
import type { Ring } from '../data/ring.js';
import type { Surface } from './canvas.js';

/** Full-scale values that the amplitude axis may have. */
const SCALES = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1] as const;
/** The scale shrinks only when this many times the peak still fits the smaller one. */
const SHRINK_MARGIN = 1.25;

/** Samples of the window that the current label stands on, at the buffer's rate. */
export interface MarkedWindow {
  startSample: number;
  endSample: number;
  color: string;
}

export interface WaveformColors {
  /** Behind received sound; what is missing stays transparent. */
  ground: string;
  wave: string;
  axis: string;
}

/** Smallest scale that holds the peak; the current one is kept while it fits well. */
export function chooseScale(peak: number, current: number | undefined): number {
  const fits = (margin: number) => SCALES.find((scale) => scale >= peak * margin) ?? 1;
  if (current === undefined || peak > current) return fits(1);
  return Math.min(current, fits(SHRINK_MARGIN));
}

/** Draws the buffer. @returns the amplitude at the plot's upper edge */
export function paintWaveform(
  surface: Surface,
  buffer: LiveBuffer,
  colors: WaveformColors,
  marked: MarkedWindow | undefined,
  currentScale: number | undefined,
): number {
  const { context, width, height } = surface;
  const { waves, format } = buffer;
  const scale = chooseScale(peakOf(waves), currentScale);
  const pxPerSample = width / (LIVE_SECONDS * format.sampleRateHz);
  const xOf = (sample: number) => width - (buffer.endSample - sample) * pxPerSample;
  const middle = height / 2;
  surface.clear();
  const stretches = stretchesOf(waves);
  const map: Mapping = {
    xOf: (slot) => xOf(slot * format.samplesPerPair),
    yOf: (value) => middle - (Math.max(-scale, Math.min(scale, value)) / scale) * (middle - 2),
  };
  context.fillStyle = colors.ground;
  for (const [from, to] of stretches) context.fillRect(map.xOf(from), 0, map.xOf(to) - map.xOf(from), height);
  if (marked !== undefined) paintMarked(context, xOf(marked.startSample), xOf(marked.endSample), height, marked.color);
  context.fillStyle = colors.axis;
  context.fillRect(0, middle - 0.5, width, 1);
  context.fillStyle = colors.wave;
  for (const [from, to] of stretches) paintStretch(context, waves, from, to, map);
  return scale;
}

interface Mapping {
  xOf: (slot: number) => number;
  yOf: (value: number) => number;
}

/** First and one-past-last slot of each stretch without holes. */
export function stretchesOf(waves: Ring): Array<[number, number]> {
  const stretches: Array<[number, number]> = [];
  let first: number | undefined;
  for (let slot = waves.start; slot <= waves.end; slot += 1) {
    const missing = Number.isNaN(waves.at(slot));
    if (!missing) first ??= slot;
    if (missing && first !== undefined) {
      stretches.push([first, slot]);
      first = undefined;
    }
  }
  return stretches;
}

/** One filled outline. */
function paintStretch(context: CanvasRenderingContext2D, waves: Ring, from: number, to: number, { xOf, yOf }: Mapping): void {
  // Half a pixel each way keeps silence visible as a line.
  context.beginPath();
  for (let slot = from; slot < to; slot += 1) context.lineTo(xOf(slot + 0.5), yOf(waves.at(slot, 1)) - 0.6);
  for (let slot = to - 1; slot >= from; slot -= 1) context.lineTo(xOf(slot + 0.5), yOf(waves.at(slot, 0)) + 0.6);
  context.fill();
}

function paintMarked(context: CanvasRenderingContext2D, from: number, to: number, height: number, color: string): void {
  context.fillStyle = color;
  context.globalAlpha = 0.12;
  context.fillRect(from, 0, to - from, height);
  context.globalAlpha = 1;
  context.fillRect(from, height - 3, to - from, 3);
}

function peakOf(waves: Ring): number {
  let peak = 0;
  for (let slot = waves.start; slot < waves.end; slot += 1) {
    const value = Math.max(-waves.at(slot, 0), waves.at(slot, 1));
    if (value > peak) peak = value;
  }
  return peak;
}
