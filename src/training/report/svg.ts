/** Charts as SVG text: axes, lines, marks. No script, no external resource; hovering a mark shows its values. */

export interface Point {
  x: number;
  y: number;
  /** Shown on hover. */
  note?: string;
  /** Radius in px of the mark; default 3. */
  radius?: number;
}

export interface Series {
  name: string;
  points: readonly Point[];
  colour: string;
  dashed?: boolean;
  /** A circle at each point. */
  marks?: boolean;
  /** No line. */
  scattered?: boolean;
  /** Drawn by the right-hand axis. */
  right?: boolean;
}

export interface Axis {
  label: string;
  min: number;
  max: number;
  log?: boolean;
  format?: (value: number) => string;
}

export interface Chart {
  title: string;
  x: Axis;
  y: Axis;
  yRight?: Axis;
  series: readonly Series[];
  /** Vertical lines with a name. */
  verticals?: readonly { x: number; name: string }[];
  width?: number;
  height?: number;
}

/** Colours that people with any colour vision tell apart (Okabe and Ito), the darkest first. */
export const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#7a5c00', '#56b4e9', '#5b5b5b', '#e69f00'] as const;
export const FAINT = '#9aa3ad';

export function colour(index: number): string {
  return COLOURS[index % COLOURS.length] ?? FAINT;
}

/** Text for HTML and attributes. */
export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** A figure element: title, legend, chart. */
export function lineChart(chart: Chart): string {
  const { width = 460, height = 300, x, y, yRight, series } = chart;
  const box = { left: 52, right: width - (yRight ? 68 : 24), top: 10, bottom: height - 40 };
  const toX = scale(x, box.left, box.right);
  const toY = scale(y, box.bottom, box.top);
  const toRight = yRight ? scale(yRight, box.bottom, box.top) : toY;
  const lines = series.map((s) => drawSeries(s, toX, s.right ? toRight : toY));
  const verticals = (chart.verticals ?? []).map(({ x: at, name }) => {
    const px = round(toX(at));
    const end = toX(at) > (box.left + box.right) / 2 ? 'end' : 'start';
    return `<line class="mark" x1="${px}" x2="${px}" y1="${box.top}" y2="${box.bottom}"/><text x="${px + (end === 'end' ? -4 : 4)}" y="${box.top + 11}" text-anchor="${end}">${escapeText(name)}</text>`;
  });
  const legend = series.length > 1 || yRight ? `<div class="legend">${series.map(legendEntry).join('')}</div>` : '';
  return (
    `<figure class="chart"><figcaption>${escapeText(chart.title)}</figcaption>${legend}` +
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(chart.title)}">` +
    `${xAxis(x, toX, box)}${yAxis(y, toY, box.left, box, 'end')}${yRight ? yAxis(yRight, toRight, box.right, box, 'start') : ''}` +
    `${verticals.join('')}${lines.join('')}</svg></figure>`
  );
}

interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

function scale({ min, max, log }: Axis, from: number, to: number): (value: number) => number {
  const [low, high] = log ? [Math.log(min), Math.log(max)] : [min, max];
  const span = high - low || 1;
  return (value) => from + (((log ? Math.log(Math.max(value, 1e-300)) : value) - low) / span) * (to - from);
}

function drawSeries(series: Series, toX: (v: number) => number, toY: (v: number) => number): string {
  const points = series.points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  const path = points.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${round(toX(x))} ${round(toY(y))}`).join('');
  const line = series.scattered ? '' : `<path d="${path}" stroke="${series.colour}"${series.dashed ? ' stroke-dasharray="5 4"' : ''}/>`;
  const circles = series.marks || series.scattered
    ? points.map(({ x, y, note, radius = 3 }) => `<circle cx="${round(toX(x))}" cy="${round(toY(y))}" r="${round(radius)}" fill="${series.colour}"><title>${escapeText(note ?? `${series.name}: ${short(x)}, ${short(y)}`)}</title></circle>`)
    : [];
  return line + circles.join('');
}

function legendEntry({ name, colour: c, dashed, scattered }: Series): string {
  const sign = scattered
    ? `<svg width="12" height="12"><circle cx="6" cy="6" r="4" fill="${c}"/></svg>`
    : `<svg width="22" height="12"><path d="M1 6H21" stroke="${c}"${dashed ? ' stroke-dasharray="5 4"' : ''}/></svg>`;
  return `<span>${sign}${escapeText(name)}</span>`;
}

function xAxis(axis: Axis, toX: (v: number) => number, box: Box): string {
  const marks = ticks(axis).map((value) => {
    const px = round(toX(value));
    return `<line class="grid" x1="${px}" x2="${px}" y1="${box.top}" y2="${box.bottom}"/><text x="${px}" y="${box.bottom + 15}" text-anchor="middle">${text(axis, value)}</text>`;
  });
  return `${marks.join('')}<text class="axis" x="${(box.left + box.right) / 2}" y="${box.bottom + 33}" text-anchor="middle">${escapeText(axis.label)}</text>`;
}

function yAxis(axis: Axis, toY: (v: number) => number, at: number, box: Box, anchor: 'start' | 'end'): string {
  const away = anchor === 'end' ? -6 : 6;
  const marks = ticks(axis).map((value) => {
    const py = round(toY(value));
    const grid = anchor === 'end' ? `<line class="grid" x1="${box.left}" x2="${box.right}" y1="${py}" y2="${py}"/>` : '';
    return `${grid}<text x="${at + away}" y="${py + 4}" text-anchor="${anchor}">${text(axis, value)}</text>`;
  });
  const [x, y] = [anchor === 'end' ? 12 : at + 62, (box.top + box.bottom) / 2];
  return `${marks.join('')}<text class="axis" transform="translate(${x} ${y}) rotate(-90)" text-anchor="middle">${escapeText(axis.label)}</text>`;
}

const text = (axis: Axis, value: number) => escapeText((axis.format ?? short)(value));

/** Round values: powers of ten on a logarithmic axis, else about five steps of 1, 2 or 5. */
export function ticks({ min, max, log }: Axis): number[] {
  if (log) {
    const [low, high] = [Math.ceil(Math.log10(min) - 1e-9), Math.floor(Math.log10(max) + 1e-9)];
    return Array.from({ length: Math.max(0, high - low + 1) }, (_, i) => 10 ** (low + i));
  }
  const raw = (max - min) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= raw * 0.999) ?? 10);
  const first = Math.ceil(min / step - 1e-9);
  return Array.from({ length: Math.floor(max / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}

/** At most four significant digits. */
export function short(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(1).replace('.0e', 'e').replace('e+', 'e');
  return String(Number(value.toPrecision(4)));
}

const round = (value: number) => Math.round(value * 10) / 10;
