/** The history strip: draws it, and lets pointer and arrow keys ask what a block or mark was. */
import { Surface } from '../draw/canvas.js';
import { historyTime, historyX, paintHistory } from '../draw/history.js';
import { type Colors, labelStyle } from '../draw/palette.js';
import { shapePath } from '../draw/shape.js';
import { type AppState, HISTORY_MS, type Mark, type StreamView } from '../state/model.js';
import { type Block, blocksOf, type Run, runAt, runsOf } from '../state/runs.js';
import { titleCase } from '../text/format.js';
import { markText, runText } from '../text/history-text.js';
import { renderTicks } from './axis.js';
import { byId, make, makeShape, setAttribute, setText } from './dom.js';

/** A mark is hit within so many pixels. */
const MARK_REACH = 7;

export class HistoryView {
  private readonly canvas = byId<HTMLCanvasElement>('history');
  private readonly detail = byId('history-detail');
  private readonly keys = byId('keys');
  private readonly hint = this.detail.textContent ?? '';
  private readonly surface: Surface;
  private drawn: StreamView | undefined;
  private drawnHistory: StreamView['history'] | undefined;
  private drawnMarks: StreamView['marks'] | undefined;
  private keysKey = '';
  private hopMs = 1000;
  private blocks: Block[] = [];
  private runs: Run[] = [];
  /** Start of the run that is asked about: what is on screen moves, its start stays. */
  private activeFromMs: number | undefined;
  private activeMark: Mark | undefined;

  constructor(private readonly colors: Colors) {
    this.surface = new Surface(this.canvas, () => this.redraw());
    renderTicks(byId('history-axis'), ticks(), 'x');
    this.canvas.addEventListener('pointermove', (event) => this.point(event.offsetX));
    this.canvas.addEventListener('pointerdown', (event) => this.point(event.offsetX));
    this.canvas.addEventListener('pointerleave', () => this.activate(undefined));
    this.canvas.addEventListener('blur', () => this.activate(undefined));
    this.canvas.addEventListener('focus', () => this.activate(this.activeRun() ?? this.runs.at(-1)));
    this.canvas.addEventListener('keydown', (event) => this.step(event));
  }

  render(stream: StreamView | undefined, state: AppState): void {
    const hopMs = state.station?.model.hopMs ?? this.hopMs;
    this.renderKeys(state.station?.labels ?? []);
    if (stream?.streamId !== this.drawn?.streamId) this.forgetActive();
    this.drawn = stream;
    if (stream?.history === this.drawnHistory && stream?.marks === this.drawnMarks && hopMs === this.hopMs) return;
    this.hopMs = hopMs;
    this.drawnHistory = stream?.history;
    this.drawnMarks = stream?.marks;
    this.blocks = blocksOf(stream?.history ?? [], hopMs);
    this.runs = runsOf(this.blocks);
    this.redraw();
  }

  invalidate(): void {
    this.keysKey = '';
    this.drawnHistory = undefined;
  }

  private get marks(): readonly Mark[] {
    return this.drawn?.marks ?? [];
  }

  private get endMs(): number {
    return this.blocks.at(-1)?.toMs ?? Date.now();
  }

  private activeRun(): Run | undefined {
    const at = this.activeFromMs;
    // The first run shrinks as old history is forgotten; what began before it now belongs to it.
    return at === undefined ? undefined : this.runs.find((run) => at < run.toMs);
  }

  private redraw(): void {
    const run = this.activeRun();
    const active = run === undefined ? -1 : this.runs.indexOf(run);
    paintHistory(this.surface, { blocks: this.blocks, runs: this.runs, marks: this.marks, endMs: this.endMs, active }, this.colors);
    setText(this.detail, this.activeMark !== undefined ? markText(this.activeMark) : run !== undefined ? runText(run, this.marks) : this.hint);
    const shown = run ?? this.runs.at(-1);
    setAttribute(this.canvas, 'aria-valuemax', String(Math.max(0, this.runs.length - 1)));
    setAttribute(this.canvas, 'aria-valuenow', String(shown === undefined ? 0 : this.runs.indexOf(shown)));
    setAttribute(this.canvas, 'aria-valuetext', shown === undefined ? 'No labels yet' : runText(shown, this.marks));
  }

  private point(x: number): void {
    const { width } = this.surface;
    const mark = this.marks.findLast(({ timeMs, lengthMs }) => {
      const from = historyX(timeMs - lengthMs, this.endMs, width);
      return x >= from - MARK_REACH && x <= historyX(timeMs, this.endMs, width) + MARK_REACH;
    });
    this.activate(this.runs[runAt(this.runs, historyTime(x, this.endMs, width))], mark);
  }

  private step(event: KeyboardEvent): void {
    const now = this.activeRun();
    const at = now === undefined ? this.runs.length - 1 : this.runs.indexOf(now);
    const target = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, Home: 0, End: this.runs.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    this.activate(this.runs[Math.min(this.runs.length - 1, Math.max(0, target))]);
  }

  private activate(run: Run | undefined, mark?: Mark): void {
    if (run?.fromMs === this.activeFromMs && mark === this.activeMark) return;
    this.activeFromMs = run?.fromMs;
    this.activeMark = mark;
    this.redraw();
  }

  private forgetActive(): void {
    this.activeFromMs = undefined;
    this.activeMark = undefined;
  }

  private renderKeys(labels: readonly string[]): void {
    const key = labels.join(' ');
    if (key === this.keysKey) return;
    this.keysKey = key;
    const shapes = labels.map((label) => {
      const shape = makeShape(shapePath(labelStyle(label).shape), 'shape');
      shape.style.color = this.colors.ofLabel(label);
      return keyItem(shape, titleCase(label));
    });
    this.keys.replaceChildren(...shapes, keyItem(makeShape('M2,8H22V16H2Z', 'shape'), 'Gap'), keyItem(makeShape('M2,4H22L12,21Z', 'shape'), 'Drop'));
  }
}

function keyItem(shape: SVGElement, text: string): HTMLElement {
  const item = make('li');
  item.append(shape, text);
  return item;
}

function ticks() {
  const ages = [120, 90, 60, 30, 0];
  return ages.map((age) => ({ label: age === 0 ? 'now' : `−${String(age)} s`, position: 1 - (1000 * age) / HISTORY_MS }));
}
