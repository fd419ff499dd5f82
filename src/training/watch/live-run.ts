/** What a page that watches a training run shows: where it stands, and the course of the loss in each phase so far. */
import type { RecalledPhase, TrainingProgress } from '../run-log.js';
import { colour, FAINT, lineChart, short, type Series } from '../report/svg.js';

export interface LivePoint {
  /** Items done, in the phase's unit. */
  done: number;
  loss: number;
  learningRate?: number;
}

interface LivePhase {
  name: string;
  total: number;
  unit: string;
  points: LivePoint[];
}

/** JSON of the page's poll. */
export interface LiveState {
  title: string;
  /** The latest report; null before the first. */
  progress: TrainingProgress | null;
  lines: string[];
  /** Figure of the current phase, and of the latest that has a loss: HTML with SVG; empty without points. */
  chart: string;
}

/** Points kept per phase; when full, every second one goes. */
const MOST_POINTS = 600;
const MOST_LINES = 12;

export class LiveRun {
  private readonly phases: LivePhase[] = [];
  private readonly lines: string[] = [];
  private progress: TrainingProgress | null = null;

  constructor(private readonly title: string) {}

  line(text: string): void {
    this.lines.push(text);
    if (this.lines.length > MOST_LINES) this.lines.shift();
  }

  update(progress: TrainingProgress): void {
    this.progress = progress;
    const { phase: name, done, total, unit, loss, learningRate } = progress;
    if (loss === undefined || !Number.isFinite(loss)) return;
    const known = this.phases.at(-1);
    const phase = known?.name === name ? known : { name, total, unit, points: [] };
    if (phase !== known) this.phases.push(phase);
    phase.total = total;
    phase.points.push({ done, loss, ...(learningRate === undefined ? {} : { learningRate }) });
    if (phase.points.length > MOST_POINTS) phase.points = phase.points.filter((_, i) => i % 2 === 1);
  }

  /** What an earlier process did of a phase; before that phase's first update. */
  recall({ phase: name, total, unit, points }: RecalledPhase): void {
    const every = Math.ceil(points.length / MOST_POINTS);
    this.phases.push({ name, total, unit, points: points.filter((_, i) => i % every === 0) });
  }

  state(): LiveState {
    const { title, progress, lines } = this;
    return { title, progress, lines: [...lines], chart: this.phases.map(phaseChart).reverse().join('') };
  }
}

/** Running mean of the loss over the whole phase, and the learning rate where it is known. */
function phaseChart({ name, total, unit, points }: LivePhase): string {
  const losses = points.map((p) => p.loss);
  const rates = points.flatMap(({ done, learningRate }) => (learningRate === undefined ? [] : [{ x: done, y: learningRate }]));
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const series: Series[] = [{ name: 'training loss, running mean', colour: colour(0), points: points.map(({ done, loss }) => ({ x: done, y: loss })) }];
  if (rates.length > 0) series.push({ name: 'learning rate', colour: FAINT, dashed: true, right: true, points: rates });
  return lineChart({
    title: name,
    x: { label: unit, min: 0, max: Math.max(1, total) },
    y: { label: 'loss', min: Math.max(0, low - 0.1 * (high - low) - 0.01), max: high + 0.1 * (high - low) + 0.01 },
    ...(rates.length > 0 ? { yRight: { label: 'learning rate', min: 0, max: Math.max(...rates.map((p) => p.y)) * 1.05 || 1, format: short } } : {}),
    series,
  });
}
