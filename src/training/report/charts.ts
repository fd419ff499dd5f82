/** The report's charts: learning curves, learning-rate finder, ROC, calibration, coverage. */
import type { CurvePoint } from '../fit.js';
import { figure } from '../format.js';
import { accuracyAtCoverage, auroc, calibrationBins, rocCurve } from '../metrics.js';
import { judgedItems } from '../summary.js';
import type { EpochFigures, ReportData, ReportPart } from './report-data.js';
import { colour, FAINT, lineChart, short, type Series } from './svg.js';

const percent = (value: number) => `${Math.round(100 * value)} %`;
const part01 = { min: 0, max: 1, format: (value: number) => short(Math.round(value * 100) / 100) };

/** Smoothed training loss by step; with a single phase, its learning rate too. */
export function learningCurve(title: string, curves: Readonly<Record<string, CurvePoint[]>>): string {
  const entries = Object.entries(curves).filter(([, points]) => points.length > 0);
  const losses = entries.flatMap(([, points]) => points.map((p) => p.loss));
  const last = Math.max(1, ...entries.flatMap(([, points]) => points.map((p) => p.step)));
  const series: Series[] = entries.map(([name, points], i) => ({
    name: entries.length === 1 ? 'training loss, running mean' : name,
    colour: colour(i),
    points: points.map(({ step, loss }) => ({ x: step, y: loss })),
  }));
  const [only] = entries;
  const rates = entries.length === 1 && only ? only[1].map(({ step, learningRate }) => ({ x: step, y: learningRate })) : [];
  if (rates.length > 0) series.push({ name: 'learning rate', colour: FAINT, dashed: true, right: true, points: rates });
  return lineChart({
    title,
    x: { label: 'step', min: 0, max: last },
    y: { label: 'loss', ...spread(losses) },
    ...(rates.length > 0 ? { yRight: { label: 'learning rate', min: 0, max: Math.max(...rates.map((p) => p.y)) * 1.05 || 1 } } : {}),
    series,
  });
}

/** Training and validation loss, and the error rate, after each epoch. */
export function epochCurves(epochs: readonly EpochFigures[]): string {
  const points = (value: (e: EpochFigures) => number) => epochs.map((e, i) => ({ x: i + 1, y: value(e), note: `${e.phase}, epoch ${e.epoch}: ${figure(value(e))}` }));
  const x = { label: 'epoch', min: 0, max: Math.max(2, epochs.length), format: (v: number) => (Number.isInteger(v) ? String(v) : '') };
  const losses = epochs.flatMap((e) => [e.trainingLoss, e.validationLoss]);
  return [
    lineChart({
      title: 'Loss after each epoch',
      x,
      y: { label: 'loss', ...spread(losses) },
      series: [
        { name: 'training', colour: colour(0), marks: true, points: points((e) => e.trainingLoss) },
        { name: 'validation', colour: colour(1), marks: true, points: points((e) => e.validationLoss) },
      ],
    }),
    lineChart({ title: 'Error rate on the validation clips after each epoch', x, y: { label: 'error rate', ...part01 }, series: [{ name: 'error rate', colour: colour(1), marks: true, points: points((e) => e.errorRate) }] }),
  ].join('');
}

/** Loss by learning rate, with the suggestion. */
export function finderChart(finder: NonNullable<ReportData['finder']>): string {
  const rates = finder.points.map((p) => p.learningRate);
  const losses = finder.points.map((p) => p.loss);
  const lowest = Math.min(...losses);
  const high = Math.min(Math.max(...losses), (losses[0] ?? lowest) + 1.5 * ((losses[0] ?? lowest) - lowest) + 0.2);
  return lineChart({
    title: 'Learning-rate finder',
    x: { label: 'learning rate', min: Math.min(...rates), max: Math.max(...rates), log: true },
    y: { label: 'smoothed loss', min: Math.max(0, lowest - 0.1), max: high },
    series: [{ name: 'loss', colour: colour(0), points: finder.points.filter((p) => p.loss <= high).map(({ learningRate, loss }) => ({ x: learningRate, y: loss })) }],
    verticals: [{ x: finder.suggestion, name: `suggestion ${short(finder.suggestion)}` }],
  });
}

/** ROC of each class against all others, and of abnormal against normal where both occur. */
export function rocChart(part: ReportPart): string {
  const { items, names, classes } = judgedItems(part.predictions, part.vocabulary);
  const scored = items.filter((item) => item.actual >= 0);
  const curves = Array.from({ length: classes }, (_, k) => ({
    name: `${names[k] ?? ''} against the rest`,
    positive: scored.map((item) => item.actual === k),
    scores: scored.map((item) => item.classes[k] ?? 0),
  }));
  const binary = items.filter((item) => item.positive !== null);
  const pair = { name: part.vocabulary.contrast, positive: binary.map((item) => item.positive === true), scores: binary.map((item) => item.ranking) };
  const drawn = [...(classes === 2 ? [] : curves), pair].filter(({ positive }) => positive.includes(true) && positive.includes(false));
  return lineChart({
    title: 'ROC',
    x: { label: '1 − specificity', ...part01 },
    y: { label: 'sensitivity', ...part01 },
    height: 360,
    series: [
      ...drawn.map(({ name, positive, scores }, i) => ({
        name: `${name}: AUROC ${figure(auroc(positive, scores))}`,
        colour: colour(i),
        points: rocCurve(positive, scores).map((p) => ({ x: p.falsePositiveRate, y: p.sensitivity })),
      })),
      { name: 'chance', colour: FAINT, dashed: true, points: [{ x: 0, y: 0 }, { x: 1, y: 1 }] },
    ],
  });
}

/** Confidence against accuracy; the larger a mark, the more clips. */
export function calibrationChart(part: ReportPart): string {
  const { items } = judgedItems(part.predictions, part.vocabulary);
  const scored = items.filter((item) => item.actual >= 0);
  const bins = calibrationBins(scored.map((item) => item.confidence), scored.map((item) => item.actual === item.choice)).filter((bin) => bin.count > 0);
  const largest = Math.max(1, ...bins.map((bin) => bin.count));
  const points = bins.map(({ confidence, accuracy, count }) => ({
    x: confidence,
    y: accuracy,
    radius: 2.5 + 7 * Math.sqrt(count / largest),
    note: `${count} clips: mean confidence ${figure(confidence)}, accuracy ${figure(accuracy)}`,
  }));
  return lineChart({
    title: `Calibration (expected error ${figure(part.summary.calibrationError)}; area of a mark = number of clips)`,
    x: { label: 'confidence', ...part01 },
    y: { label: 'accuracy', ...part01 },
    height: 360,
    series: [
      { name: 'clips in bins of .1', colour: colour(0), marks: true, points },
      { name: 'perfect', colour: FAINT, dashed: true, points: [{ x: 0, y: 0 }, { x: 1, y: 1 }] },
    ],
  });
}

/** Accuracy among the most confident part of the clips. */
export function coverageChart(part: ReportPart): string {
  const { items } = judgedItems(part.predictions, part.vocabulary);
  const scored = items.filter((item) => item.actual >= 0);
  const confidence = scored.map((item) => item.confidence);
  const correct = scored.map((item) => item.actual === item.choice);
  const points = Array.from({ length: 91 }, (_, i) => 0.1 + i / 100).map((coverage) => {
    const { accuracy, confidence: least } = accuracyAtCoverage(confidence, correct, coverage);
    return { x: coverage, y: accuracy, note: `${percent(coverage)} most confident (at least ${figure(least)}): accuracy ${figure(accuracy)}` };
  });
  const values = points.map((p) => p.y).filter(Number.isFinite);
  const low = Math.max(0, Math.floor(10 * Math.min(1, ...values) - 0.5) / 10);
  return lineChart({
    title: 'Accuracy when the least confident clips are left unanswered',
    x: { label: 'answered', min: 0.1, max: 1, format: percent },
    y: { label: 'accuracy', min: low, max: 1 },
    height: 360,
    series: [{ name: 'accuracy', colour: colour(0), points: points.filter((_, i) => i % 2 === 0) }],
  });
}

/** Room for values: from a little below the least to a little above the largest. */
function spread(values: readonly number[]): { min: number; max: number } {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return { min: 0, max: 1 };
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const margin = 0.06 * (high - low || 1);
  return { min: Math.max(0, low - margin), max: high + margin };
}
