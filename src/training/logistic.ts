/** Multinomial logistic regression with an L2 penalty: the floor that a deep model must beat. */

/** A fitted regression; features are standardised inside. */
export interface LogisticModel {
  /** Probabilities per class of one row of features. */
  predict(row: ArrayLike<number>): Float64Array;
}

/**
 * Fits by full-batch gradient descent with Nesterov momentum on standardised features, from zero weights: convex, so
 * the start doesn't matter. The loss is mean cross-entropy (each class weighted equally when `balanced`) plus
 * l2/2 · |weights|², the intercept left free.
 */
export function fitLogistic(
  rows: readonly ArrayLike<number>[],
  labels: readonly number[],
  classes: number,
  options: { l2?: number; iterations?: number; balanced?: boolean } = {},
): LogisticModel {
  const { l2 = 0.01, iterations = 400, balanced = false } = options;
  const scaler = standardiser(rows);
  const x = rows.map((row) => scaler(row));
  const width = x[0]?.length ?? 1;
  const weight = sampleWeights(labels, classes, balanced);
  let current = new Float64Array(classes * width);
  let previous = current;
  const step = 1 / (l2 + 0.5 * largestEigenvalue(x, weight));
  for (let iteration = 0; iteration < iterations; iteration++) {
    const momentum = iteration / (iteration + 3);
    const ahead = current.map((value, i) => value + momentum * (value - (previous[i] ?? 0)));
    const slope = gradient(ahead, x, labels, weight, classes, l2);
    previous = current;
    current = ahead.map((value, i) => value - step * (slope[i] ?? 0));
  }
  return { predict: (row) => softmaxScores(current, scaler(row), classes) };
}

/** Standardises a row and appends the constant 1 of the intercept. */
function standardiser(rows: readonly ArrayLike<number>[]): (row: ArrayLike<number>) => Float64Array {
  const width = rows[0]?.length ?? 0;
  const mean = new Float64Array(width);
  const deviation = new Float64Array(width);
  for (const row of rows) for (let j = 0; j < width; j++) mean[j] = (mean[j] ?? 0) + (row[j] ?? 0) / rows.length;
  for (const row of rows) for (let j = 0; j < width; j++) deviation[j] = (deviation[j] ?? 0) + ((row[j] ?? 0) - (mean[j] ?? 0)) ** 2 / rows.length;
  return (row) => {
    const scaled = new Float64Array(width + 1);
    for (let j = 0; j < width; j++) scaled[j] = ((row[j] ?? 0) - (mean[j] ?? 0)) / (Math.sqrt(deviation[j] ?? 0) || 1);
    scaled[width] = 1;
    return scaled;
  };
}

/** Weights that sum to 1. */
function sampleWeights(labels: readonly number[], classes: number, balanced: boolean): Float64Array {
  const counts = new Float64Array(classes);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  const present = counts.filter((count) => count > 0).length;
  return Float64Array.from(labels, (label) => (balanced ? 1 / (present * (counts[label] ?? 1)) : 1 / labels.length));
}

/** Largest eigenvalue of Σ w x xᵀ by power iteration: the loss's curvature is at most half of it (softmax). */
function largestEigenvalue(x: readonly Float64Array[], weight: Float64Array): number {
  const width = x[0]?.length ?? 1;
  let vector = new Float64Array(width).fill(1 / Math.sqrt(width));
  let value = 1;
  for (let round = 0; round < 50; round++) {
    const next = new Float64Array(width);
    x.forEach((row, i) => {
      const projected = (weight[i] ?? 0) * dot(row, vector, 0);
      for (let j = 0; j < width; j++) next[j] = (next[j] ?? 0) + projected * (row[j] ?? 0);
    });
    value = Math.sqrt(dot(next, next, 0)) || 1;
    vector = next.map((v) => v / value);
  }
  return value * 1.05;
}

function dot(row: Float64Array, other: Float64Array, offset: number): number {
  let sum = 0;
  for (let j = 0; j < row.length; j++) sum += (row[j] ?? 0) * (other[offset + j] ?? 0);
  return sum;
}

function softmaxScores(weights: Float64Array, row: Float64Array, classes: number): Float64Array {
  const scores = new Float64Array(classes);
  for (let k = 0; k < classes; k++) scores[k] = dot(row, weights, k * row.length);
  const top = Math.max(...scores);
  let sum = 0;
  for (let k = 0; k < classes; k++) sum += scores[k] = Math.exp((scores[k] ?? 0) - top);
  return scores.map((score) => score / sum);
}

function gradient(weights: Float64Array, x: readonly Float64Array[], labels: readonly number[], weight: Float64Array, classes: number, l2: number): Float64Array {
  const width = x[0]?.length ?? 1;
  const slope = new Float64Array(weights.length);
  x.forEach((row, i) => {
    const p = softmaxScores(weights, row, classes);
    for (let k = 0; k < classes; k++) {
      const error = (weight[i] ?? 0) * ((p[k] ?? 0) - (labels[i] === k ? 1 : 0));
      for (let j = 0; j < width; j++) slope[k * width + j] = (slope[k * width + j] ?? 0) + error * (row[j] ?? 0);
    }
  });
  for (let k = 0; k < classes; k++) for (let j = 0; j < width - 1; j++) slope[k * width + j] = (slope[k * width + j] ?? 0) + l2 * (weights[k * width + j] ?? 0);
  return slope;
}
