/** A data set's own labels as a vocabulary: one output each, normal first. */
import { StageError } from '../../common/stage-error.js';
import type { LabelSet, Vocabulary } from '../label-map.js';
import type { Recording } from '../manifest-csv.js';

export interface OwnLabels {
  vocabulary: Vocabulary;
  /** Name of the normal label; null where no label says normal. */
  normal: string | null;
}

/** Label sets are bit masks in 32-bit integers. */
const MAX_LABELS = 30;

const saysNormal = (label: string) => /^(n|normal)$/i.test(label);

/**
 * Takes the labels of the recordings (those without one must be left out before).
 * Throws TRAINING_CLASS_MISSING, TRAINING_LABELS_TOO_MANY, TRAINING_OPTION_INVALID.
 */
export function ownLabels(recordings: readonly Recording[], dataset: string, binary: boolean): OwnLabels {
  const found = [...new Set(recordings.map((r) => r.label))].sort();
  const normal = found.find(saysNormal) ?? null;
  if (found.length < 2) {
    throw failure('TRAINING_CLASS_MISSING', `${dataset} has ${found.length === 1 ? `the label "${found[0] ?? ''}" only` : 'no label'}: two are needed`, 'Add recordings of another class, or correct the labels.');
  }
  if (binary && normal === null) {
    throw failure('TRAINING_OPTION_INVALID', `binary asks for normal against the rest, ${dataset} has ${found.join(', ')}`, 'Leave --binary out, or name the normal recordings `normal` or `N`.');
  }
  const others = found.filter((label) => label !== normal);
  const labels = normal === null ? found : [normal, ...(binary && others.length > 1 ? ['abnormal'] : others)];
  if (labels.length > MAX_LABELS) {
    throw failure('TRAINING_LABELS_TOO_MANY', `${dataset} has ${labels.length} labels, at most ${MAX_LABELS} can be told apart`, 'Give recordings of like classes one label.');
  }
  return { vocabulary: vocabularyOf(labels, normal), normal };
}

/** Normal is the first label; of two labels, neither of them normal, the first takes its part. */
function vocabularyOf(labels: string[], normal: string | null): Vocabulary {
  const all = 2 ** labels.length - 1;
  const [first = '', second = ''] = labels;
  if (normal === null && labels.length > 2) return { labels, normal: 0, abnormal: 0, sign: 0, contrast: 'no label says normal' };
  const contrast = labels.length === 2 ? `${second} against ${first}` : `all other labels against ${first}`;
  return { labels, normal: 1, abnormal: all - 1, sign: all - 1, contrast };
}

/** The same recordings with sets in the vocabulary; a label that it lacks is "abnormal" (--binary). */
export function withOwnSets<T extends Recording>(recordings: readonly T[], { labels }: Vocabulary): T[] {
  const setOf = (label: string): LabelSet => {
    const index = labels.indexOf(label);
    return 1 << (index < 0 ? 1 : index);
  };
  return recordings.map((recording) => ({ ...recording, set: setOf(recording.label) }));
}

function failure(code: string, message: string, remedy: string): StageError {
  return new StageError({ code, stage: 'training', message, remedy });
}
