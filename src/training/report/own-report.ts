/** The report of the recipe `own`, from what its run left. */
import { join } from 'node:path';
import { DISCLAIMER } from '../../common/disclaimer.js';
import type { FeatureParams } from '../../features/index.js';
import { resnet34, type ResNetSpec } from '../../inference/resnet34.js';
import { precisionNotes } from '../engine/fast-math.js';
import { figure } from '../format.js';
import type { OwnResults } from '../own/results.js';
import type { StageRecipe } from '../recipe.js';
import { REPEATED } from '../run-notes.js';
import { ONE_HALF } from '../summary.js';
import { againOf } from './again.js';
import { mapCell, foldJudges, type MapPlan } from './class-maps.js';
import { reportPart, type ReportData } from './report-data.js';

/** @param identity run.json. @param results results.json. */
export function ownReport(folder: string, identity: Record<string, unknown>, results: unknown, command: string): ReportData {
  const found = results as OwnResults;
  const seed = Number(identity['seed']);
  return {
    schema: 'stethostream-report/1',
    title: `Training report: own labels of ${found.dataset}`,
    disclaimer: DISCLAIMER,
    lead:
      `ResNet-34 on log-mel windows, one output for each label of ${found.dataset} (${found.vocabulary.labels.join(', ')}), started from ${found.start}; cross-validated by subject in ${found.folds.length} folds. ` +
      'A clip’s probability is the mean over its windows. The settings were fixed before any fold was looked at.',
    parts: [
      reportPart(found.predictions, {
        name: 'cross-validation',
        title: `${found.dataset}, cross-validation by subject`,
        note: foldNote(found),
        floors: found.floors,
        others: found.siteFloor ? { 'floor: site alone': found.siteFloor } : {},
        bySite: found.bySite,
        summary: found.summary,
        thresholds: ONE_HALF,
        seed,
        vocabulary: found.vocabulary,
      }),
    ],
    curves: [{ title: 'Training loss of each fold', series: found.curves }],
    epochs: [],
    finder: null,
    notes: [...headNote(identity['recipe'] as StageRecipe), ...notes(found)],
    again: againOf(folder, identity, command, { secondsTrained: found.secondsTrained }),
  };
}

/** Each clip by the weights of the fold that judged it. */
export function ownMaps(folder: string, identity: Record<string, unknown>, results: unknown): MapPlan {
  const { labels } = (results as OwnResults).vocabulary;
  const spec = resnet34(labels.length, identity['network'] as Partial<Omit<ResNetSpec, 'labels'>>);
  return { judges: foldJudges(folder, (phase) => join(folder, phase, 'weights.safetensors')), spec, labels, cell: mapCell(spec, identity['features'] as FeatureParams) };
}

function foldNote({ folds }: OwnResults): string {
  const figures = folds.map((fold, i) => `${i + 1}: ${[fold.accuracy, fold.macroF1, fold.auroc, fold.macc].map(figure).join(' / ')}`).join('; ');
  return `Each clip is judged once, by a model that saw no recording of its subject. Accuracy / macro-F1 / AUROC / (sens. + spec.) / 2 per fold: ${figures}.`;
}

function headNote({ frameHeadWeight = 0 }: StageRecipe): string[] {
  if (frameHeadWeight === 0) return [];
  return [`A second head learnt the heart's state (S1, systole, S2, diastole) of each frame where the folder says it, with a weight of ${frameHeadWeight} in the loss; it judges nothing.`];
}

function notes(found: OwnResults): string[] {
  const { vocabulary, siteFloor, withoutSubject, folds, precision, summary } = found;
  const kept = folds.reduce((sum, fold) => sum + fold.threshold.clips, 0);
  return [
    ...(siteFloor
      ? [`Training windows were drawn as the recordings come, since one figure over all sites is asked for: the site of a recording is then a usable cue, and a model may use it. From the site alone: AUROC ${figure(siteFloor.auroc?.value)}, (sens. + spec.) / 2 ${figure(siteFloor.macc?.value)}, accuracy ${figure(siteFloor.accuracy.value)} (thresholds chosen on the training folds). The figures by site are free of that cue.`]
      : []),
    ...(withoutSubject > 0
      ? [`${withoutSubject} of ${summary.n} recordings name no subject: each counts as a subject of its own, so recordings of one person may be on both sides of a split, and the intervals are too narrow.`]
      : []),
    kept > 0
      ? `(sens. + spec.) / 2 is at a threshold on the probability of "${vocabulary.labels[1] ?? ''}" chosen in each fold on clips of a tenth of its training subjects, which it was not trained on (where their calibrated probability is the share of abnormal clips): ${folds.map((fold) => `${figure(fold.threshold.value)} on ${fold.threshold.clips} clips`).join('; ')}.`
      : summary.auroc
        ? '(sens. + spec.) / 2 is at a probability of .5 of all labels but normal together, fixed beforehand.'
        : 'No label says normal (`normal` or `N`), so there is no AUROC or (sens. + spec.) / 2 of abnormal against normal.',
    ...precisionNotes(precision),
    'No model package: labels of one data set are for experiments; the recipe "heart" makes packages.',
    REPEATED,
  ];
}
