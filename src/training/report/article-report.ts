/** The report of the recipe `article`, from what its run left. */
import { join } from 'node:path';
import { DISCLAIMER } from '../../common/disclaimer.js';
import { resnet34, type ResNetSpec } from '../../inference/resnet34.js';
import { NO_PACKAGE, type ArticleResults } from '../article/article-results.js';
import { ONE_HALF, type DatasetSummary } from '../summary.js';
import { againOf } from './again.js';
import type { MapPlan } from './class-maps.js';
import { reportPart, type ReportData } from './report-data.js';

/** @param identity run.json. @param results results.json. */
export function articleReport(folder: string, identity: Record<string, unknown>, results: unknown, command: string): ReportData {
  const found = results as ArticleResults;
  const seed = Number(identity['seed']);
  return {
    schema: 'stethostream-report/1',
    title: `Training report: article, ${found.dataset}`,
    disclaimer: DISCLAIMER,
    lead:
      `ResNet-34 on mel spectrograms of whole clips as pictures of ${String(identity['imageSize'])} × ${String(identity['imageSize'])} pixels, started from ${found.start}. ` +
      `${found.split.training} clips to train on, ${found.split.validation} to judge, split ${found.split.kind === 'random' ? 'at random' : 'by subject'}. Error rate ${(100 * found.errorRate).toFixed(1)} %.`,
    parts: [
      reportPart(found.predictions, {
        name: 'validation',
        title: `Validation clips of ${found.dataset}`,
        note: splitNote(found),
        floors: found.floors,
        summary: ownColumns(found.summary),
        thresholds: ONE_HALF,
        seed,
      }),
    ],
    curves: Object.entries(found.curves).map(([name, points]) => ({ title: `Training loss, ${name === 'frozen' ? 'body frozen' : name === 'unfrozen' ? 'body freed' : 'whole network'}`, series: { [name]: points } })),
    epochs: found.epochs,
    finder: found.finder,
    notes: [
      NO_PACKAGE,
      'Pictures of whole clips show how long a clip is, and length alone tells labels of PASCAL B apart (see the floor): part of any result here may be length.',
      ...(identity['earlyStopping'] === undefined ? [] : [`Early stopping with a patience of ${Number(identity['earlyStopping'])} epochs: each phase kept the epoch with the least validation loss. These clips chose the epoch and are the ones reported, so the figures are slightly optimistic.`]),
      ...(found.frozen ? ['Body frozen: convolutions kept their weights while batch norm and the head learnt.'] : []),
    ],
    again: againOf(folder, identity, command, { secondsTrained: found.secondsTrained }),
  };
}

/** Every clip by the final weights. */
export function articleMaps(folder: string, identity: Record<string, unknown>, results: unknown): MapPlan {
  const { classes } = results as ArticleResults;
  const spec = resnet34(classes.length, identity['network'] as Partial<Omit<ResNetSpec, 'labels'>>);
  const imageSize = Number(identity['imageSize']);
  const cells = Math.ceil(imageSize / (4 * 2 ** (spec.widths.length - 1)));
  return { judges: [{ weights: join(folder, 'weights.safetensors') }], spec, labels: classes, imageSize, cell: `1/${cells} of the clip and 1/${cells} of the bands` };
}

/** This network has no output for labels that the data set lacks: their columns would be empty by construction. */
function ownColumns(summary: DatasetSummary): DatasetSummary {
  const { actual, predicted, counts } = summary.confusion;
  return { ...summary, confusion: { actual, predicted: predicted.slice(0, actual.length), counts: counts.map((row) => row.slice(0, actual.length)) } };
}

function splitNote({ split }: ArticleResults): string {
  if (split.kind === 'subject') return 'No subject is on both sides of the split.';
  return `Split at random, as in the article: ${split.sharedSubjects} of the ${split.validationSubjects} subjects to be judged were also trained on, so these figures are too good.`;
}
