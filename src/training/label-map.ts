/**
 * How the labels of each data set map onto the model's.
 *
 * A recording carries the SET of labels that its source allows: PhysioNet's "abnormal" is a murmur or something else
 * that is not normal, so its set is {murmur, extrasystole} and the loss uses the probability of the whole set.
 *
 * | data set | its label | set |
 * |---|---|---|
 * | pascal-b | normal | normal |
 * | pascal-b | murmur | murmur |
 * | pascal-b | extrastole (so spelled) | extrasystole |
 * | pascal-b | (empty) | unlabelled: not used |
 * | pascal-a | normal, murmur, artifact | the same |
 * | pascal-a | extrahls (extra heart sound, S3 or S4: none of our classes) | normal, murmur or extrasystole: "not artifact" |
 * | physionet2016 | normal | normal |
 * | physionet2016 | abnormal | murmur or extrasystole |
 * | yaseen | N | normal |
 * | yaseen | AS, MR, MS, MVP | murmur |
 * | bmdhs | normal | normal |
 * | bmdhs | any of AS, AR, MR, MS joined by + | murmur (the label is the patient's, not the recording's) |
 * | any other | normal, murmur, extrasystole (or extrastole), artifact, abnormal | by its word |
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

const plain = new Map<string, LabelSet>([
  ['', 0],
  ['normal', NORMAL],
  ['murmur', MURMUR],
  ['extrasystole', EXTRASYSTOLE],
  ['extrastole', EXTRASYSTOLE],
  ['artifact', ARTIFACT],
  ['abnormal', ABNORMAL],
]);

/** By `data set/label`. */
const special = new Map<string, LabelSet>([
  ['pascal-a/extrahls', HEART_SOUND],
  ['yaseen/N', NORMAL],
  ...['AS', 'MR', 'MS', 'MVP'].map((label) => [`yaseen/${label}`, MURMUR] as const),
]);

/** The set for one row of a manifest. Throws TRAINING_LABEL_UNKNOWN. */
export function labelSet(dataset: string, label: string): LabelSet {
  const found = special.get(`${dataset}/${label}`) ?? plain.get(label);
  if (found !== undefined) return found;
  if (dataset === 'bmdhs' && /^(AS|AR|MR|MS)(\+(AS|AR|MR|MS))*$/.test(label)) return MURMUR;
  throw new StageError({
    code: 'TRAINING_LABEL_UNKNOWN',
    stage: 'training',
    message: `label "${label}" of data set "${dataset}" is not known`,
    remedy: `Use one of ${[...plain.keys()].filter(Boolean).join(', ')} (or leave it empty for unlabelled), or extend src/training/label-map.ts.`,
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
