/** Folds over subjects for the recipe `own`, and what is kept out of each fold's training to choose its threshold. */
import { StageError } from '../../common/stage-error.js';
import { labelSetName, type Vocabulary } from '../label-map.js';
import type { Recording } from '../manifest-csv.js';
import { groupHoldout, groupKFold, type Split } from '../splits.js';
import { THRESHOLD_SHARE } from './recipe.js';

/** Indices of recordings; no subject is in two of the three. */
export interface OwnFold extends Split {
  /** Neither trained on nor judged: the threshold of "abnormal" is chosen on these. Empty with more than two labels. */
  threshold: number[];
}

/**
 * @param recordings with sets in the vocabulary.
 * Throws TRAINING_TOO_FEW_GROUPS, TRAINING_CLASS_MISSING: what would spoil the run later is known at its start.
 */
export function divideOwn(recordings: readonly Recording[], vocabulary: Vocabulary, { folds, seed }: { folds: number; seed: number }): OwnFold[] {
  requireSubjects(recordings, vocabulary);
  const items = recordings.map((r) => ({ group: r.group, stratum: `${r.site}|${r.set}` }));
  return groupKFold(items, folds, seed).map((fold, number) => {
    const kept = vocabulary.labels.length === 2 ? groupHoldout(fold.training.map((i) => ({ group: recordings[i]?.group ?? '', stratum: String(recordings[i]?.set) })), THRESHOLD_SHARE, seed * 1000 + number) : undefined;
    const pick = (rows: readonly number[]) => rows.map((row) => fold.training[row] ?? -1);
    const divided = { training: kept ? pick(kept.training) : fold.training, threshold: kept ? pick(kept.validation) : [], validation: fold.validation };
    requireClasses(recordings, vocabulary, divided, number);
    return divided;
  });
}

/** A label of one subject would be judged by a model that never heard it. */
function requireSubjects(recordings: readonly Recording[], { labels }: Vocabulary): void {
  const subjectsOf = (set: number) => new Set(recordings.filter((r) => r.set === set).map((r) => r.group)).size;
  const rare = labels.filter((_, i) => subjectsOf(1 << i) < 2);
  if (rare.length === 0) return;
  throw missing(`${rare.map((name) => `"${name}"`).join(', ')}: recordings of fewer than two subjects`, 'Add recordings of more subjects, take the class out, give like classes one label, or train normal against the rest with --binary.');
}

function requireClasses(recordings: readonly Recording[], { labels }: Vocabulary, { training }: Split, number: number): void {
  const trained = new Set(training.map((i) => recordings[i]?.set));
  const absent = labels.map((_, i) => 1 << i).find((set) => !trained.has(set));
  if (absent !== undefined) throw missing(`fold ${number + 1} has no recording of "${labelSetName(absent, labels)}" to train on`, 'Add recordings of more subjects, or choose another --seed or number of --folds.');
}

function missing(message: string, remedy: string): StageError {
  return new StageError({ code: 'TRAINING_CLASS_MISSING', stage: 'training', message, remedy });
}
