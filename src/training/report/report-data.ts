/** What a report says, apart from its looks: report.json is this. */
import { groupBy } from '../../common/group-by.js';
import type { CurvePoint } from '../fit.js';
import type { FinderPoint } from '../engine/schedule.js';
import type { FloorName } from '../floors.js';
import { HEART, type Vocabulary } from '../label-map.js';
import { judgedItems, massOf, summariseDataset, type ClipPrediction, type DatasetSummary, type Item, type SignThresholds } from '../summary.js';
import type { Again } from './again.js';

export interface ReportData {
  schema: 'stethostream-report/1';
  title: string;
  /** What was trained and how it was judged. */
  lead: string;
  /** True: not for any diagnosis, shown on top. */
  disclaimer: string;
  parts: ReportPart[];
  /** Learning curves, one chart each. */
  curves: { title: string; series: Record<string, CurvePoint[]> }[];
  /** Figures after each epoch, where the recipe has epochs. */
  epochs: EpochFigures[];
  finder: { points: FinderPoint[]; suggestion: number; used: number } | null;
  notes: string[];
  again: Again;
}

/** One set of clips that was judged. */
export interface ReportPart {
  name: string;
  title: string;
  note: string;
  summary: DatasetSummary;
  floors: Partial<Record<FloorName, DatasetSummary>> | null;
  /** Further rows of the table of figures. */
  others: Record<string, DatasetSummary>;
  bySite: Record<string, DatasetSummary>;
  confused: Confusion[];
  subjects: SubjectFigures[];
  topLosses: ClipLoss[];
  /** A few clips of each class that were called what they are, neither the surest nor the least sure. */
  rightCalls: ClipLoss[];
  /** Some clips in the order of a seed, rightly or wrongly judged: "results on a batch". */
  samples: ClipLoss[];
  predictions: ClipPrediction[];
  /** Of the predictions and label sets. */
  vocabulary: Vocabulary;
}

export interface EpochFigures {
  phase: string;
  epoch: number;
  trainingLoss: number;
  validationLoss: number;
  errorRate: number;
  seconds: number;
  /** Early stopping went back to this epoch. */
  kept?: true;
}

/** A pair of classes that is mixed up. */
export interface Confusion {
  actual: string;
  called: string;
  count: number;
  /** Of all clips of the actual class. */
  share: number;
}

export interface SubjectFigures {
  subject: string;
  clips: number;
  right: number;
  meanLoss: number;
}

export interface ClipLoss {
  file: string;
  site: string;
  subject: string;
  actual: string;
  called: string;
  /** Probability of what it was called. */
  confidence: number;
  /** −ln of the probability of the actual class. */
  loss: number;
}

export interface PartOptions {
  name: string;
  title: string;
  note: string;
  floors: Partial<Record<FloorName, DatasetSummary>> | null;
  others?: Record<string, DatasetSummary>;
  thresholds: SignThresholds;
  seed: number;
  /** Already computed, where there is one. */
  summary?: DatasetSummary;
  bySite?: Record<string, DatasetSummary>;
  /** Default: the heart model's. */
  vocabulary?: Vocabulary;
}

const TOP = 12;
const RIGHT_PER_CLASS = 2;

/** All that a report says of one set of predictions. */
export function reportPart(predictions: readonly ClipPrediction[], options: PartOptions): ReportPart {
  const { name, title, note, floors, others = {}, thresholds, seed, vocabulary = HEART } = options;
  const { names, items } = judgedItems(predictions, vocabulary);
  const scored = items.filter((item) => item.actual >= 0);
  const losses = scored.map((item) => clipLoss(item, names)).sort((a, b) => b.loss - a.loss);
  return {
    name,
    title,
    note,
    floors,
    others,
    summary: options.summary ?? summariseDataset(predictions, thresholds, seed, undefined, vocabulary),
    bySite: options.bySite ?? siteSummaries(predictions, thresholds, seed, vocabulary),
    confused: mostConfused(scored, names),
    subjects: subjectFigures(losses),
    topLosses: losses.slice(0, TOP),
    rightCalls: names.flatMap((name) => evenly(losses.filter(({ actual, called }) => actual === name && called === name), RIGHT_PER_CLASS)),
    samples: evenly([...losses].sort((a, b) => (a.file < b.file ? -1 : 1)), TOP),
    predictions: [...predictions],
    vocabulary,
  };
}

/** Fewer clips of a site say nothing. */
export const MIN_SITE_CLIPS = 10;

/** Figures per site, where there are several with enough clips. */
export function siteSummaries(predictions: readonly ClipPrediction[], thresholds: SignThresholds, seed: number, vocabulary = HEART): Record<string, DatasetSummary> {
  const at = (site: string) => predictions.filter((p) => p.site === site && p.set !== 0);
  const sites = [...new Set(predictions.map((p) => p.site))].filter((site) => site !== '' && at(site).length >= MIN_SITE_CLIPS).sort();
  if (sites.length < 2) return {};
  return Object.fromEntries(sites.map((site) => [site, summariseDataset(at(site), thresholds, seed, undefined, vocabulary)]));
}

function clipLoss(item: Item, names: readonly string[]): ClipLoss {
  const { file, site, group, set, probabilities } = item.prediction;
  return {
    file,
    site,
    subject: group.includes('|file:') ? '' : group.slice(group.indexOf('|') + 1),
    actual: names[item.actual] ?? '',
    called: names[item.choice] ?? '',
    confidence: item.confidence,
    loss: -Math.log(Math.max(1e-12, massOf(probabilities, set))),
  };
}

function mostConfused(scored: readonly Item[], names: readonly string[]): Confusion[] {
  const counts = new Map<string, Confusion>();
  for (const { actual, choice } of scored) {
    if (actual === choice) continue;
    const key = `${actual} ${choice}`;
    const total = scored.filter((item) => item.actual === actual).length;
    const entry = counts.get(key) ?? { actual: names[actual] ?? '', called: names[choice] ?? '', count: 0, share: 0 };
    counts.set(key, { ...entry, count: entry.count + 1, share: (entry.count + 1) / total });
  }
  return [...counts.values()].sort((a, b) => b.count - a.count);
}

/** Those with the largest mean loss first; clips without a subject are left out. */
function subjectFigures(losses: readonly ClipLoss[]): SubjectFigures[] {
  return groupBy(losses.filter((clip) => clip.subject !== ''), (clip) => clip.subject)
    .map((clips) => ({
      subject: clips[0]?.subject ?? '',
      clips: clips.length,
      right: clips.filter((clip) => clip.actual === clip.called).length,
      meanLoss: clips.reduce((sum, clip) => sum + clip.loss, 0) / clips.length,
    }))
    .sort((a, b) => b.meanLoss - a.meanLoss);
}

function evenly<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.floor(((i + 0.5) * items.length) / count)] as T);
}
