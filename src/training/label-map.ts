/**
 * How the labels of each data set map onto the model's.
 *
 * A recording carries the SET of labels that its source allows: PhysioNet's "abnormal" is a murmur or something else
 * that is not normal, so its set is {murmur, extrasystole} and the loss uses the probability of the whole set.
 *
 * | data set | its label | set |
 * |---|---|---|
 * | any | normal, murmur, extrasystole (PASCAL spells it extrastole), artifact | the same |
 * | any | (empty), unknown, unlabelled | unlabelled: not used |
 * | pascal-a | extrahls (extra heart sound, S3 or S4: none of our classes) | normal, murmur or extrasystole: "not artifact" |
 * | physionet2016 | abnormal | murmur or extrasystole |
 * | yaseen | N | normal |
 * | yaseen | AS, MR, MS, MVP | murmur |
 * | bmdhs | any of AS, AR, MR, MS joined by + | murmur (the label is the patient's, not the recording's) |
 * | circor | absent, present (of the murmur) | normal, murmur |
 *
 * A label means the same in a data set of any other name, in capitals or not, so that a folder that is new here can be
 * evaluated by the words of the collections above.
 */
import { StageError } from '../common/stage-error.js';

/** Labels of the heart model in output order. */
export const LABELS = ['normal', 'murmur', 'extrasystole', 'artifact'] as const;
export type Label = (typeof LABELS)[number];

/** Labels that the model can't tell reliably: shown, but marked. */
export const EXPERIMENTAL_LABELS: readonly Label[] = ['extrasystole'];

/** Bit i set = LABELS[i] is possible. 0 = unlabelled. */
export type LabelSet = number;

export const NORMAL = 1;
export const MURMUR = 2;
export const EXTRASYSTOLE = 4;
export const ARTIFACT = 8;
export const ABNORMAL = MURMUR | EXTRASYSTOLE;
export const HEART_SOUND = NORMAL | MURMUR | EXTRASYSTOLE;

/** Names of a network's outputs, and what counts as normal and as abnormal among them. Bit i of a label set is labels[i]. */
export interface Vocabulary {
  labels: readonly string[];
  normal: LabelSet;
  abnormal: LabelSet;
  /** A set is positive when it lies within `abnormal` and holds some of these. */
  sign: LabelSet;
  /** What ROC and (sensitivity + specificity) / 2 are about. */
  contrast: string;
}

/** The heart model's. */
export const HEART: Vocabulary = { labels: LABELS, normal: NORMAL, abnormal: ABNORMAL, sign: MURMUR, contrast: 'murmur or abnormal against normal' };

const words = new Map<string, LabelSet>([
  ['', 0],
  ['unknown', 0],
  ['unlabelled', 0],
  ['normal', NORMAL],
  ['n', NORMAL],
  ['absent', NORMAL],
  ['murmur', MURMUR],
  ['present', MURMUR],
  ['extrasystole', EXTRASYSTOLE],
  ['extrastole', EXTRASYSTOLE],
  ['artifact', ARTIFACT],
  ['abnormal', ABNORMAL],
  ['extrahls', HEART_SOUND],
]);

/** Stenosis or regurgitation of aortic or mitral valve, or prolapse of the latter; several joined by +. */
const VALVES = /^(as|ar|mr|ms|mvp)(\+(as|ar|mr|ms|mvp))*$/;

/** The set for one row of a manifest. Throws TRAINING_LABEL_UNKNOWN. */
export function labelSet(dataset: string, label: string): LabelSet {
  const word = label.toLowerCase();
  const found = words.get(word) ?? (VALVES.test(word) ? MURMUR : undefined);
  if (found !== undefined) return found;
  throw new StageError({
    code: 'TRAINING_LABEL_UNKNOWN',
    stage: 'training',
    message: `label "${label}" of data set "${dataset}" is not known`,
    remedy: `Use one of ${LABELS.join(', ')}, abnormal (or leave it empty for unlabelled); src/training/label-map.ts has them all.`,
  });
}

/** Index of the one label in a set, or −1 when the set holds none or several. */
export function singleLabel(set: LabelSet): number {
  return LABELS.findIndex((_, index) => set === 1 << index);
}

/** Names in a set, joined by `/`. */
export function labelSetName(set: LabelSet, labels: readonly string[] = LABELS): string {
  return labels.filter((_, index) => (set >> index) & 1).join('/') || 'unlabelled';
}
