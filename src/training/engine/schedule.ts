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

/**
 * fastai's learning-rate finder: the rate grows geometrically from step to step until the loss explodes.
 * `step` must train a throw-away copy of the network.
 */
export function findLearningRate(
  step: (learningRate: number) => number,
  { from = 1e-7, to = 10, steps = 100 }: { from?: number; to?: number; steps?: number } = {},
): { points: FinderPoint[]; suggestion: number } {
  const points: FinderPoint[] = [];
  let average = 0;
  let best = Infinity;
  for (let i = 0; i < steps; i++) {
    const learningRate = from * (to / from) ** (i / (steps - 1));
    average = 0.98 * average + 0.02 * step(learningRate);
    const loss = average / (1 - 0.98 ** (i + 1));
    if (!Number.isFinite(loss)) break;
    points.push({ learningRate, loss });
    best = Math.min(best, loss);
    if (i > 10 && loss > 4 * best) break;
  }
  return { points, suggestion: steepest(points) };
}

/** The rate at which the loss falls fastest, on a logarithmic axis; the ends of the curve are noise. */
function steepest(points: readonly FinderPoint[]): number {
  let best = { slope: 0, learningRate: points[Math.floor(points.length / 2)]?.learningRate ?? NaN };
  for (let i = 6; i < points.length - 5; i++) {
    const a = points[i - 2]!;
    const b = points[i + 2]!;
    const slope = (b.loss - a.loss) / Math.log(b.learningRate / a.learningRate);
    if (slope < best.slope) best = { slope, learningRate: points[i]!.learningRate };
  }
  return best.learningRate;
}
