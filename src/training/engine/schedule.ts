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
  /** The middle of the longest fall: fastai's default. */
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
    const learningRate = from * (to / from) ** (i / (steps - 1));
    average = SMOOTHING * average + (1 - SMOOTHING) * step(learningRate);
    const loss = average / (1 - SMOOTHING ** (i + 1));
    if (!Number.isFinite(loss)) break;
    points.push({ learningRate, loss });
    best = Math.min(best, loss);
    if (i > 10 && loss > 4 * best) break;
  }
  const valley = middleOfFall(points);
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

/** The longest series of ever smaller losses, others in between allowed; the rate in its middle on a logarithmic axis. */
function middleOfFall(points: readonly FinderPoint[]): number {
  // For each point, the longest fall that ends there: how many points, and where it began.
  const falls: { length: number; start: number }[] = [];
  let end = 0;
  points.forEach(({ loss }, i) => {
    let fall = { length: 1, start: i };
    for (let j = 0; j < i; j++) {
      const before = falls[j];
      if (before && (points[j]?.loss ?? -Infinity) > loss && before.length + 1 > fall.length) fall = { length: before.length + 1, start: before.start };
    }
    falls.push(fall);
    if (fall.length > (falls[end]?.length ?? 0)) end = i;
  });
  const [first, last] = [points[falls[end]?.start ?? 0], points[end]];
  return first && last ? Math.sqrt(first.learningRate * last.learningRate) : NaN;
}
