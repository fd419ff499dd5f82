/** Learning-rate and momentum schedules. */

export interface OneCycleOptions {
  /** Steps of the whole cycle, ≥ 1. */
  steps: number;
  /** Peak learning rate. */
  maxLearningRate: number;
  /** Fraction of the steps in which the rate rises. */
  riseFraction?: number;
  /** The rate starts at maxLearningRate / div … */
  div?: number;
  /** … and ends at maxLearningRate / finalDiv. */
  finalDiv?: number;
  /** beta1 of Adam at the ends and at the peak. */
  momentum?: [high: number, low: number];
}

/**
 * Leslie Smith's one-cycle policy as fastai's fit_one_cycle has it: cosine up, cosine down, momentum the other way.
 * @returns settings by step, from 0.
 */
export function oneCycle(options: OneCycleOptions): (step: number) => { learningRate: number; beta1: number } {
  const { steps, maxLearningRate, riseFraction = 0.25, div = 25, finalDiv = 1e5, momentum = [0.95, 0.85] } = options;
  const peak = Math.max(1, Math.round(steps * riseFraction));
  return (step) => {
    const rising = step < peak;
    const t = rising ? step / peak : Math.min(1, (step - peak) / Math.max(1, steps - 1 - peak));
    const from = rising ? maxLearningRate / div : maxLearningRate;
    const to = rising ? maxLearningRate : maxLearningRate / finalDiv;
    const [high, low] = momentum;
    return { learningRate: cosine(from, to, t), beta1: rising ? cosine(high, low, t) : cosine(low, high, t) };
  };
}

function cosine(from: number, to: number, t: number): number {
  return to + ((from - to) * (1 + Math.cos(Math.PI * t))) / 2;
}

export interface FinderPoint {
  learningRate: number;
  /** Smoothed loss. */
  loss: number;
}

export interface FinderResult {
  points: FinderPoint[];
  /** Where the loss falls fastest. */
  steepest: number;
  /** In the longest fall, nearer its end: fastai's default (valleyIndex). */
  valley: number;
  /** What to use: the valley. */
  suggestion: number;
}

const SMOOTHING = 0.98;

/**
 * fastai's learning-rate finder: the rate grows geometrically from step to step until the loss explodes.
 * @param step trains a throw-away copy of the network with that rate and returns the loss.
 */
export function findLearningRate(
  step: (learningRate: number) => number,
  { from = 1e-7, to = 10, steps = 100 }: { from?: number; to?: number; steps?: number } = {},
): FinderResult {
  const points: FinderPoint[] = [];
  let average = 0;
  let best = Infinity;
  for (let i = 0; i < steps; i++) {
    const learningRate = from * (to / from) ** (i / Math.max(1, steps - 1));
    average = SMOOTHING * average + (1 - SMOOTHING) * step(learningRate);
    const loss = average / (1 - SMOOTHING ** (i + 1));
    if (!Number.isFinite(loss)) break;
    points.push({ learningRate, loss });
    best = Math.min(best, loss);
    if (i > 10 && loss > 4 * best) break;
  }
  // As fastai, without the first tenth, whose running mean is of few losses, and the last five.
  const body = points.slice(Math.floor(steps / 10), -5);
  const judged = body.length > 1 ? body : points;
  const valley = judged[valleyIndex(judged.map(({ loss }) => loss))]?.learningRate ?? NaN;
  return { points, steepest: steepest(points), valley, suggestion: valley };
}

/** The rate at which the loss falls fastest, on a logarithmic axis; the ends of the curve are noise. */
function steepest(points: readonly FinderPoint[]): number {
  let best = { slope: 0, learningRate: points[Math.floor(points.length / 2)]?.learningRate ?? NaN };
  for (let i = 6; i < points.length - 5; i++) {
    const [a, b] = [points[i - 2], points[i + 2]];
    const here = points[i];
    if (!a || !b || !here) continue;
    const slope = (b.loss - a.loss) / Math.log(b.learningRate / a.learningRate);
    if (slope < best.slope) best = { slope, learningRate: here.learningRate };
  }
  return best.learningRate;
}

/**
 * fastai's `valley`: the longest series of ever smaller losses, others in between allowed, is found by where it ends;
 * counted back from there by as many points as it has (fewer than it spans, so the rate lies nearer its end), the rate
 * half way is taken.
 * @param losses smoothed, in the order of ever larger rates.
 * @returns index of the rate; −1 without losses.
 */
export function valleyIndex(losses: readonly number[]): number {
  // For each point, how many points the longest fall has that ends there.
  const lengths: number[] = [];
  let end = 0;
  losses.forEach((loss, i) => {
    const before = lengths.filter((_, j) => (losses[j] ?? -Infinity) > loss);
    const length = 1 + Math.max(0, ...before);
    lengths.push(length);
    if (length > (lengths[end] ?? 0)) end = i;
  });
  const length = lengths[end];
  if (length === undefined) return -1;
  return length === 1 ? end : Math.max(0, end - length + Math.floor(length / 3) + Math.floor(length / 6));
}
