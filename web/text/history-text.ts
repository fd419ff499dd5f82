/** What a run of labels or a mark in the history says in words. */
import type { Mark } from '../state/model.js';
import type { Run } from '../state/runs.js';
import { formatClock, formatDurationMs, formatPercent, titleCase } from './format.js';

/** A run, with how often sound was missing or windows were dropped in it. */
export function runText(run: Run, marks: readonly Mark[]): string {
  const span = `${formatClock(run.fromMs)} to ${formatClock(run.toMs)} (${formatDurationMs(run.toMs - run.fromMs)})`;
  const scores = `mean confidence ${formatPercent(run.meanConfidence)}, signal quality ${formatPercent(run.meanQuality)}`;
  const inside = marks.filter(({ timeMs }) => timeMs >= run.fromMs && timeMs < run.toMs);
  const counts = (['gap', 'drop'] as const).map((kind) => plural(inside.filter((mark) => mark.kind === kind).length, kind));
  return [`${titleCase(run.label)}, ${span}: ${scores}`, ...counts.filter((text) => text !== '')].join(', ');
}

export function markText({ kind, timeMs, lengthMs, text }: Mark): string {
  if (kind === 'gap') return `Gap at ${formatClock(timeMs)}: ${formatDurationMs(lengthMs)} of sound missing (${text})`;
  return `Windows lost at ${formatClock(timeMs)}: ${text}`;
}

function plural(count: number, word: string): string {
  if (count === 0) return '';
  return count === 1 ? `1 ${word}` : `${String(count)} ${word}s`;
}
