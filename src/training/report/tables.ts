/** The report's tables as HTML: figures with intervals, classes, confusion, subjects. */
import { figure, FLOOR_TITLES, interval } from '../format.js';
import type { DatasetSummary } from '../summary.js';
import type { ClipLoss, Confusion, EpochFigures, ReportPart, SubjectFigures } from './report-data.js';
import { escapeText } from './svg.js';

/** A cell: text (escaped here) or markup made by this file. */
type Cell = string | number | { html: string };

export function table(header: readonly string[], rows: readonly (readonly Cell[])[], className = ''): string {
  const cell = (value: Cell) => (typeof value === 'object' ? value.html : escapeText(String(value)));
  const head = header.map((name, i) => `<th${i === 0 ? '' : ' class="n"'}>${escapeText(name)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map((value, i) => (i === 0 ? `<th>${cell(value)}</th>` : `<td>${cell(value)}</td>`)).join('')}</tr>`).join('');
  return `<div class="scroll"><table class="${className}"><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

/** The set itself, its floors, its sites. */
export function figuresTable(part: ReportPart): string {
  const floors = Object.entries(part.floors ?? {}).map(([name, summary]) => [`floor: ${FLOOR_TITLES[name] ?? name}`, summary] as const);
  const sites = Object.entries(part.bySite).map(([name, summary]) => [`site ${name}`, summary] as const);
  const rows: (readonly [string, DatasetSummary])[] = [['all', part.summary], ...Object.entries(part.others), ...floors, ...sites];
  return table(
    ['', 'clips', 'subjects', 'accuracy', 'balanced accuracy', 'macro-F1', `AUROC, ${part.vocabulary.contrast}`, '(sens. + spec.) / 2'],
    rows.map(([name, s]) => [name, s.n, s.subjects, interval(s.accuracy), interval(s.balancedAccuracy), interval(s.macroF1), interval(s.auroc), interval(s.macc)]),
    'figures whole',
  );
}

export function classTable({ summary }: ReportPart): string {
  return table(
    ['class', 'clips', 'recall', 'precision', 'F1', 'AUROC against the rest'],
    summary.classes.map((c) => [c.name, c.clips, interval(c.recall), interval(c.precision), interval(c.f1), interval(c.auroc)]),
    'figures',
  );
}

/** Counts, and the rate within the row as text and shade. */
export function confusionTable({ summary }: ReportPart): string {
  const { actual, predicted, counts } = summary.confusion;
  const rows = counts.map((row, i): Cell[] => {
    const total = row.reduce((a, b) => a + b, 0);
    const cells = row.map((count, j) => {
      const rate = total > 0 ? count / total : 0;
      const right = i === j ? '0,114,178' : '213,94,0';
      return { html: `<span class="count" style="background:rgba(${right},${(0.55 * rate).toFixed(2)})"><b>${count}</b><small>${figure(rate)}</small></span>` };
    });
    return [actual[i] ?? '', ...cells];
  });
  return table(['is \\ called', ...predicted], rows, 'confusion');
}

export function confusedTable(confused: readonly Confusion[]): string {
  if (confused.length === 0) return '<p>None.</p>';
  return table(['is', 'called', 'clips', 'of its class'], confused.map((c) => [c.actual, c.called, c.count, figure(c.share)]));
}

export function subjectTable(subjects: readonly SubjectFigures[]): string {
  return table(['subject', 'clips', 'right', 'mean loss'], subjects.map((s) => [s.subject, s.clips, s.right, figure(s.meanLoss)]));
}

export function sampleTable(samples: readonly ClipLoss[]): string {
  const verdict = (c: ClipLoss): Cell => ({ html: `<span class="${c.actual === c.called ? 'right' : 'wrong'}">${escapeText(c.called)}</span>` });
  return table(['clip', 'subject', 'site', 'is', 'called', 'confidence', 'loss'], samples.map((c) => [c.file, c.subject, c.site, c.actual, verdict(c), figure(c.confidence), figure(c.loss)]));
}

export function epochTable(epochs: readonly EpochFigures[]): string {
  return table(
    ['phase', 'epoch', 'training loss', 'validation loss', 'error rate', 'seconds'],
    epochs.map((e) => [e.phase, e.kept ? `${e.epoch} (kept)` : e.epoch, figure(e.trainingLoss), figure(e.validationLoss), figure(e.errorRate), Math.round(e.seconds)]),
  );
}
