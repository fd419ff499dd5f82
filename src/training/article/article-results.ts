/** What a run of the recipe `article` leaves. */
import type { FinderPoint } from '../engine/schedule.js';
import type { CurvePoint } from '../fit.js';
import type { FloorName } from '../floors.js';
import type { EpochFigures } from '../report/report-data.js';
import type { ClipPrediction, DatasetSummary } from '../summary.js';

export interface FinderResult {
  points: FinderPoint[];
  suggestion: number;
  /** The peak rate that was trained with. */
  used: number;
}

/** results.json of a run. */
export interface ArticleResults {
  preset: 'article';
  dataset: string;
  /** Names in output order. */
  classes: string[];
  split: { kind: 'random' | 'subject'; training: number; validation: number; sharedSubjects: number; validationSubjects: number };
  /** What the weights started from. */
  start: string;
  frozen: boolean;
  finder: FinderResult | null;
  epochs: EpochFigures[];
  curves: Record<string, CurvePoint[]>;
  secondsTrained: number;
  errorRate: number;
  summary: DatasetSummary;
  floors: Record<FloorName, DatasetSummary>;
  predictions: ClipPrediction[];
}

/** Why there is no model package: said in the log, the report and docs/training.md. */
export const NO_PACKAGE =
  'No model package: the article’s pictures are whole clips stretched to a square, which a live stream cannot give. The weights are a safetensors file; the recipe "heart" makes packages.';
