/** The history strip: draws it, and lets pointer and arrow keys ask what a block was. */
import { Surface } from '../draw/canvas.js';
import { historyTime, paintHistory } from '../draw/history.js';
import { type Colors, labelStyle } from '../draw/palette.js';
import { shapePath } from '../draw/shape.js';
import { HISTORY_MS, type AppState, type StreamView } from '../state/model.js';
import { type Block, blocksOf, type Run, runAt, runsOf } from '../state/runs.js';
import { formatClock, formatDurationMs, formatPercent, titleCase } from '../text/format.js';
import { renderTicks } from './axis.js';
import { byId, make, makeShape, setAttribute, setText } from './dom.js';

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
  /** Start time of the run that is asked about: runs move, their start stays. */
  private activeFromMs: number | undefined;

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
    this.hopMs = state.station?.model.hopMs ?? this.hopMs;
    this.renderKeys(state.station?.labels ?? []);
    if (stream?.streamId !== this.drawn?.streamId) this.activeFromMs = undefined;
    this.drawn = stream;
    if (stream?.history === this.drawnHistory && stream?.marks === this.drawnMarks) return;
    this.drawnHistory = stream?.history;
    this.drawnMarks = stream?.marks;
    this.blocks = blocksOf(stream?.history ?? [], this.hopMs);
    this.runs = runsOf(this.blocks);
    this.redraw();
  }

  invalidate(): void {
    this.keysKey = '';
    this.drawnHistory = undefined;
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
    paintHistory(this.surface, { blocks: this.blocks, runs: this.runs, marks: this.drawn?.marks ?? [], endMs: this.endMs, active }, this.colors);
    setText(this.detail, run === undefined ? this.hint : runText(run));
    const shown = run ?? this.runs.at(-1);
    setAttribute(this.canvas, 'aria-valuemax', String(Math.max(0, this.runs.length - 1)));
    setAttribute(this.canvas, 'aria-valuenow', String(shown === undefined ? 0 : this.runs.indexOf(shown)));
    setAttribute(this.canvas, 'aria-valuetext', shown === undefined ? 'No labels yet' : runText(shown));
  }

  private point(x: number): void {
    this.activate(this.runs[runAt(this.runs, historyTime(x, this.endMs, this.surface.width))]);
  }

  private step(event: KeyboardEvent): void {
    const now = this.activeRun();
    const at = now === undefined ? this.runs.length - 1 : this.runs.indexOf(now);
    const target = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, Home: 0, End: this.runs.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    this.activate(this.runs[Math.min(this.runs.length - 1, Math.max(0, target))]);
  }

  private activate(run: Run | undefined): void {
    if (run?.fromMs === this.activeFromMs) return;
    this.activeFromMs = run?.fromMs;
    this.redraw();
  }

  private renderKeys(labels: readonly string[]): void {
    const key = labels.join(' ');
    if (key === this.keysKey) return;
    this.keysKey = key;
    this.keys.replaceChildren(
      ...labels.map((label) => {
        const item = make('li');
        const shape = makeShape(shapePath(labelStyle(label).shape), 'shape');
        shape.style.color = this.colors.ofLabel(label);
        item.append(shape, titleCase(label));
        return item;
      }),
    );
  }
}

function runText(run: Run): string {
  const span = `${formatClock(run.fromMs)} to ${formatClock(run.toMs)} (${formatDurationMs(run.toMs - run.fromMs)})`;
  return `${titleCase(run.label)}, ${span}: mean confidence ${formatPercent(run.meanConfidence)}, signal quality ${formatPercent(run.meanQuality)}`;
}

function ticks() {
  const ages = [120, 90, 60, 30, 0];
  return ages.map((age) => ({ label: age === 0 ? 'now' : `−${String(age)} s`, position: 1 - (1000 * age) / HISTORY_MS }));
}
