/** Labels of one data set that differ only in capitals are one label, in its most frequent spelling. */
import { groupBy } from '../../common/group-by.js';
import type { Recording } from '../manifest-csv.js';

export function sameSpelling(recordings: readonly Recording[]): Recording[] {
  const usual = new Map<Recording, string>();
  for (const group of groupBy(recordings, ({ dataset, label }) => `${dataset}\n${label.toLowerCase()}`)) {
    const label = mostFrequent(group.map((recording) => recording.label));
    for (const recording of group) usual.set(recording, label);
  }
  return recordings.map((recording) => ({ ...recording, label: usual.get(recording) ?? recording.label }));
}

/** Of as frequent ones the first of the alphabet, so that the order of the rows does not matter. */
function mostFrequent(spellings: readonly string[]): string {
  const [most = []] = groupBy([...spellings].sort(), (spelling) => spelling).sort((a, b) => b.length - a.length);
  return most[0] ?? '';
}
