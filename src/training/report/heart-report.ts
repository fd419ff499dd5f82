/** The report of the recipe `heart`, from what its run left. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DISCLAIMER } from '../../common/disclaimer.js';
import type { ExportedModel } from '../export-model.js';
import type { FeatureParams } from '../../features/index.js';
import type { ResNetSpec } from '../../inference/resnet34.js';
import { precisionNotes } from '../engine/fast-math.js';
import { figure } from '../format.js';
import { LABELS } from '../label-map.js';
import { SETTINGS_HISTORY, type HeartRecipe } from '../recipe.js';
import type { TrainingResults } from '../results.js';
import { PHASE_SHARE_NOTE, REPEATED, thresholdNote } from '../run-notes.js';
import { signThresholds } from '../summary.js';
import { againOf } from './again.js';
import { foldJudges, mapCell, type MapPlan } from './class-maps.js';
import { reportPart, type ReportData, type ReportPart } from './report-data.js';

/** @param identity run.json. @param results results.json. */
export function heartReport(folder: string, identity: Record<string, unknown>, results: unknown, command: string): ReportData {
  const found = results as TrainingResults;
  const recipe = identity['recipe'] as HeartRecipe;
  const seed = Number(identity['seed']);
  const model = readModel(folder);
  const members = found.soup?.members ?? 1;
  const { listen, pretrain = [], ...finetuning } = found.curves;
  const { temperature, unknownBelow } = found.calibration;
  return {
    schema: 'stethostream-report/1',
    title: `Training report: heart${model ? `, ${model.name} ${model.version}` : ''}`,
    disclaimer: DISCLAIMER,
    lead:
      `ResNet-34 on log-mel windows of 3 s: ${listen ? `pre-trained without labels on ${recipe.listen?.windows ?? 0} windows, then with them ` : 'pre-trained '}on ${recipe.pretrainDatasets.join(' and ')} from ${found.start ?? 'random weights'}, fine-tuned and cross-validated by subject on ${recipe.targetDataset} (${recipe.folds} folds). ` +
      `A clip’s probability is the mean over its windows. ${SETTINGS_HISTORY}`,
    parts: [crossValidation(found, recipe, seed), heldOut(found, seed)],
    curves: [
      ...(listen ? [{ title: 'Self-supervised pre-training: telling hidden frames', series: { listen } }] : []),
      { title: 'Pre-training', series: { pretrain } },
      { title: `Fine-tuning: each fold and the final model${members > 1 ? `, mean of ${members}` : ''}`, series: finetuning },
    ],
    epochs: [],
    finder: null,
    notes: [
      `Calibration: probabilities = softmax(logits / ${temperature.toFixed(3)}); below a confidence of ${unknownBelow.toFixed(3)} a label is "unknown"; the two were set on the out-of-fold predictions reported here. ${thresholdNote(found.calibration)}`,
      ...frameHeadNotes(found),
      ...phaseNotes(found),
      ...soupNotes(found),
      `Artifacts kept out of pre-training and folds: ${found.artifacts.recognised} of ${found.artifacts.judgements} judgements said artifact; ${found.artifacts.falseAlarms} of ${found.artifacts.heartJudgements} judgements of heart sounds of the same days did.`,
      ...(model ? [`The package on ONNX Runtime (fp16 weights) differs from the training weights by at most ${model.largestDifference.toExponential(1)} in a held-out clip's probability.`] : []),
      ...precisionNotes(found.precision),
      REPEATED,
    ],
    again: againOf(folder, identity, command, { modelFolder: model?.folder ?? null, secondsTrained: found.secondsTrained, recipe, network: identity['spec'] }),
  };
}

function frameHeadNotes({ framesAccuracy }: TrainingResults): string[] {
  if (!framesAccuracy) return [];
  return [
    `Frame head: while training, a second head told the heart's state (S1, systole, S2, diastole) of each frame. After pre-training it was right in ${figure(framesAccuracy.value)} of ${framesAccuracy.frames} known frames of ${framesAccuracy.clips} held-out recordings.`,
  ];
}

function phaseNotes({ phase }: TrainingResults): string[] {
  if (!phase) return [];
  return [
    `Phase branch: the frame head tells ${phase.phases} phases of the beat; the mean of each band in each phase goes through ${phase.members} small networks, ${PHASE_SHARE_NOTE} Class-activation maps show the ResNet's part alone.`,
  ];
}

function soupNotes({ soup }: TrainingResults): string[] {
  if (!soup || soup.members < 2) return [];
  const line = ({ accuracy, macroF1, auroc }: typeof soup.single) => [accuracy, macroF1, auroc].map(figure).join(' / ');
  return [
    `Each fine-tuning was done ${soup.members} times by different draws and the weights were averaged (model soup). Out-of-fold accuracy / macro-F1 / AUROC: averaged weights ${line(soup.averaged)}, a single fine-tuning ${line(soup.single)} (mean of ${soup.members}).`,
  ];
}

/** Each clip by the weights that judged it: those of its fold, else the final ones. */
export function heartMaps(folder: string, identity: Record<string, unknown>): MapPlan {
  const weights = (phase: string) => join(folder, phase, 'weights.safetensors');
  const spec = identity['spec'] as ResNetSpec;
  return {
    judges: [...foldJudges(folder, weights), { weights: weights('final') }],
    spec,
    labels: LABELS,
    cell: mapCell(spec, identity['features'] as FeatureParams),
  };
}

function crossValidation(results: TrainingResults, recipe: HeartRecipe, seed: number): ReportPart {
  const folds = results.folds.map((fold, i) => `${i + 1}: ${[fold.accuracy, fold.macroF1, fold.auroc].map(figure).join(' / ')}`).join('; ');
  return reportPart(results.predictions.crossValidation, {
    name: 'cross-validation',
    title: `${recipe.targetDataset}, cross-validation by subject`,
    note: `Each clip is judged once, by a model that saw no recording of its subject. Accuracy / macro-F1 / AUROC per fold: ${folds}.`,
    floors: results.floors,
    summary: results.crossValidation,
    thresholds: signThresholds(results.calibration),
    seed,
  });
}

function heldOut(results: TrainingResults, seed: number): ReportPart {
  const { final, pretrained, perSite, floors } = results.physionet;
  return reportPart(results.predictions.physionet, {
    name: 'held-out',
    title: 'Held-out recordings of the pre-training sets',
    note: 'Recordings that no training saw. PhysioNet 2016 never published patient ids: each recording counts as its own subject, so intervals are too narrow and a patient may be on both sides. The pooled figure is dominated by the largest site.',
    floors,
    others: { 'after pre-training only': pretrained },
    bySite: perSite,
    summary: final,
    thresholds: signThresholds(results.calibration),
    seed,
  });
}

function readModel(folder: string): ExportedModel | null {
  const file = join(folder, 'model.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ExportedModel) : null;
}
