/** The history strip and the stream cards' sparklines: one block per prediction, height = confidence. */
import { HISTORY_MS, type Mark } from '../state/model.js';
import type { Block, Run } from '../state/runs.js';
import type { Surface } from './canvas.js';
import { type Colors, labelStyle } from './palette.js';
import { drawShape } from './shape.js';

/** Runs narrower than this carry no shape. */
const MIN_SHAPE_WIDTH = 16;

export interface HistoryDrawing {
  blocks: readonly Block[];
  runs: readonly Run[];
  marks: readonly Mark[];
  /** UTC ms at the right edge. */
  endMs: number;
  /** Run that is pointed at, or -1. */
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
  const xOf = (timeMs: number) => historyX(timeMs, drawing.endMs, width);
  surface.clear();
  for (const block of drawing.blocks) paintBlock(context, xOf(block.fromMs), xOf(block.toMs), height, block, colors);
  for (const mark of drawing.marks) paintMark(context, mark, xOf, height, colors);
  drawing.runs.forEach((run, i) => paintRun(context, run, i === drawing.active, xOf, surface, colors));
}

/** The newest blocks as a small bar chart, right-aligned. */
export function paintSparkline(surface: Surface, blocks: readonly Block[], colors: Colors): void {
  const { context, width, height } = surface;
  const barWidth = 4;
  const shown = blocks.slice(-Math.floor(width / barWidth));
  surface.clear();
  shown.forEach((block, i) => {
    const x = width - (shown.length - i) * barWidth;
    paintBlock(context, x, x + barWidth - 1, height, block, colors);
  });
}

function paintBlock(context: CanvasRenderingContext2D, from: number, to: number, height: number, block: Block, colors: Colors): void {
  if (to < 0) return;
  const filled = Math.max(2, height * block.entry.confidence);
  context.fillStyle = colors.ofLabel(block.entry.label);
  context.globalAlpha = 0.22;
  context.fillRect(from, 0, to - from, height);
  context.globalAlpha = 1;
  context.fillRect(from, height - filled, to - from, filled);
}

/** A gap is a hole with edges; a drop is a tick at the top. */
function paintMark(context: CanvasRenderingContext2D, mark: Mark, xOf: (ms: number) => number, height: number, colors: Colors): void {
  const x = xOf(mark.timeMs);
  if (x < 0) return;
  if (mark.kind === 'gap') {
    const from = Math.min(x - 2, xOf(mark.timeMs - mark.lengthMs));
    context.fillStyle = colors.get('--surface');
    context.fillRect(from, 0, x - from, height);
    context.fillStyle = colors.get('--gap');
    context.fillRect(from, 0, 1.5, height);
    context.fillRect(x - 1.5, 0, 1.5, height);
  } else {
    context.fillStyle = colors.get('--gap');
    context.beginPath();
    context.moveTo(x - 5, 0);
    context.lineTo(x + 5, 0);
    context.lineTo(x, 8);
    context.fill();
  }
}

function paintRun(
  context: CanvasRenderingContext2D,
  run: Run,
  active: boolean,
  xOf: (ms: number) => number,
  { width, height }: Surface,
  colors: Colors,
): void {
  const from = Math.max(0, xOf(run.fromMs));
  const to = Math.min(width, xOf(run.toMs));
  if (to - from >= MIN_SHAPE_WIDTH) {
    const [x, y] = [(from + to) / 2, height / 2];
    context.fillStyle = colors.get('--surface');
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    context.fill();
    drawShape(context, labelStyle(run.label).shape, x, y, 5.5, colors.ofLabel(run.label));
  }
  if (active && to > from) {
    context.lineWidth = 2;
    context.strokeStyle = colors.get('--text');
    context.strokeRect(from + 1, 1, Math.max(2, to - from - 2), height - 2);
  }
}
