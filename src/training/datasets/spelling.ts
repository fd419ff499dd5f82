/** Labels of one data set that differ only in capitals are one label, in its most frequent spelling. */
import type { Recording } from '../manifest-csv.js';

export function sameSpelling(recordings: readonly Recording[]): Recording[] {
  const counts = new Map<string, Map<string, number>>();
  for (const { dataset, label } of recordings) {
    const spellings = counts.get(wordOf(dataset, label)) ?? new Map<string, number>();
    counts.set(wordOf(dataset, label), spellings.set(label, (spellings.get(label) ?? 0) + 1));
  }
  const usual = new Map([...counts].map(([word, spellings]) => [word, mostFrequent(spellings)]));
  return recordings.map((recording) => ({ ...recording, label: usual.get(wordOf(recording.dataset, recording.label)) ?? recording.label }));
}

const wordOf = (dataset: string, label: string) => `${dataset}\n${label.toLowerCase()}`;

/** Of as frequent ones the first of the alphabet, so that the order of the rows does not matter. */
function mostFrequent(spellings: ReadonlyMap<string, number>): string {
  const [first] = [...spellings].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return first?.[0] ?? '';
}
