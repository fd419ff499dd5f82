/**
 * The history strip and the stream cards' sparklines: one block per prediction, height = confidence. Above the strip's
 * blocks a narrow lane shows gaps (a bar over the missing time) and drops (a pointer).
 */
import { HISTORY_MS, type Mark } from '../state/model.js';
import type { Block, Run } from '../state/runs.js';
import type { Surface } from './canvas.js';
import { type Colors, labelStyle } from './palette.js';
import { drawShape } from './shape.js';

/** Height of the lane of marks in CSS pixels. */
const LANE = 12;
const SHAPE_RADIUS = 6;
/** Runs narrower than this carry no shape. */
const MIN_SHAPE_WIDTH = 18;
const SPARKLINE_BAR = 4;

export interface HistoryDrawing {
  blocks: readonly Block[];
  runs: readonly Run[];
  marks: readonly Mark[];
  /** UTC ms at the right edge. */
  endMs: number;
  /** Run that is asked about, or -1. */
  active: number;
}

/** X of a time in the strip. */
export function historyX(timeMs: number, endMs: number, width: number): number {
  return width - ((endMs - timeMs) / HISTORY_MS) * width;
}

/** Time at an x of the strip. */
export function historyTime(x: number, endMs: number, width: number): number {
  return endMs - (1 - x / width) * HISTORY_MS;
}

export function paintHistory(surface: Surface, drawing: HistoryDrawing, colors: Colors): void {
  const { context, width, height } = surface;
  // Whole pixels: neighbouring blocks must meet without a seam.
  const xOf = (timeMs: number) => Math.round(historyX(timeMs, drawing.endMs, width));
  surface.clear();
  for (const block of drawing.blocks) paintBlock(context, xOf(block.fromMs), xOf(block.toMs), [LANE, height], block, colors);
  drawing.runs.forEach((run, i) => paintRun(surface, run, i === drawing.active, xOf, colors));
  for (const mark of drawing.marks) paintMark(context, mark, xOf, height, colors);
}

/** The newest blocks as a small bar chart, right-aligned. */
export function paintSparkline(surface: Surface, blocks: readonly Block[], colors: Colors): void {
  const { context, width, height } = surface;
  const shown = blocks.slice(-Math.floor(width / SPARKLINE_BAR));
  surface.clear();
  shown.forEach((block, i) => {
    const x = width - (shown.length - i) * SPARKLINE_BAR;
    paintBlock(context, x, x + SPARKLINE_BAR - 1, [0, height], block, colors);
  });
}

type Extent = readonly [top: number, bottom: number];

/** A pale ground of the label's colour, filled up to the confidence. */
function paintBlock(context: CanvasRenderingContext2D, from: number, to: number, [top, bottom]: Extent, block: Block, colors: Colors): void {
  if (to <= 0) return;
  const filled = Math.max(2, Math.round((bottom - top) * block.entry.confidence));
  context.fillStyle = colors.get('--surface');
  context.fillRect(from, top, to - from, bottom - top);
  context.fillStyle = colors.ofLabel(block.entry.label);
  context.globalAlpha = 0.22;
  context.fillRect(from, top, to - from, bottom - top);
  context.globalAlpha = 1;
  context.fillRect(from, bottom - filled, to - from, filled);
}

function paintRun({ context, width, height }: Surface, run: Run, active: boolean, xOf: (ms: number) => number, colors: Colors): void {
  const from = Math.max(0, xOf(run.fromMs));
  const to = Math.min(width, xOf(run.toMs));
  // At the foot, where even an unsure block is filled.
  if (to - from >= MIN_SHAPE_WIDTH) {
    drawShape(context, labelStyle(run.label).shape, (from + to) / 2, height - SHAPE_RADIUS - 4, SHAPE_RADIUS, colors.get('--surface'));
  }
  if (active && to > from) {
    context.lineWidth = 2;
    context.strokeStyle = colors.get('--text');
    context.strokeRect(from + 1, LANE + 1, Math.max(2, to - from - 2), height - LANE - 2);
  }
}

function paintMark(context: CanvasRenderingContext2D, mark: Mark, xOf: (ms: number) => number, height: number, colors: Colors): void {
  const x = xOf(mark.timeMs);
  if (x < 0) return;
  context.fillStyle = colors.get('--text');
  if (mark.kind === 'gap') {
    const from = Math.min(x - 4, xOf(mark.timeMs - mark.lengthMs));
    context.fillRect(from, 2, x - from, 6);
    context.fillStyle = colors.get('--surface');
    context.fillRect(from, LANE, x - from, height - LANE);
  } else {
    context.beginPath();
    context.moveTo(x - 5, 1);
    context.lineTo(x + 5, 1);
    context.lineTo(x, 10);
    context.fill();
  }
}
