/**
 * `stethostream data check`: what is wrong with a folder of recordings, or may spoil results on it, before anything is
 * trained. Finds, does not change anything.
 */
import { Decoders } from '../../capture/files/decoders.js';
import { groupBy } from '../../common/group-by.js';
import { MIN_CLIP_SECONDS } from '../audio-cache.js';
import { audioBelow } from '../datasets/audio-files.js';
import { openDataset, type DatasetKind, type DatasetProblem, type OpenedDataset } from '../datasets/open-dataset.js';
import type { Recording } from '../manifest-csv.js';
import { auroc } from '../metrics.js';
import { inspect, isReadable, type Inspected, type Inspection } from './inspect.js';
import { findNearDuplicates } from './near-duplicates.js';

/** `error`: results would be wrong or files are lost; `warning`: look at it; `note`: good to know. */
export type Severity = 'error' | 'warning' | 'note';

export type FindingCode =
  | 'DATA_FILE_MISSING'
  | 'DATA_FILE_UNLISTED'
  | 'DATA_NAME_MISMATCH'
  | 'DATA_ROW_INVALID'
  | 'DATA_UNREADABLE'
  | 'DATA_DAMAGED'
  | 'DATA_DUPLICATE'
  | 'DATA_NEAR_DUPLICATE'
  | 'DATA_LABEL_CONFLICT'
  | 'DATA_SUBJECT_LEAK'
  | 'DATA_NO_SUBJECTS'
  | 'DATA_TOO_SHORT'
  | 'DATA_SILENT'
  | 'DATA_CLIPPED'
  | 'DATA_ONE_CLASS'
  | 'DATA_RARE_CLASS'
  | 'DATA_LENGTH_CUE';

export interface Finding {
  severity: Severity;
  code: FindingCode;
  message: string;
  remedy: string;
  /** Files, or groups of files that belong together. */
  files: string[][];
}

export interface DatasetCounts {
  recordings: number;
  labelled: number;
  /** Known subjects. */
  subjects: number;
  labels: Record<string, number>;
  /** Labels per site, where sites are known. */
  sites: Record<string, Record<string, number>>;
  sampleRatesHz: Record<string, number>;
  seconds: { least: number; median: number; most: number; total: number };
}

export interface DataCheck {
  folder: string;
  kind: DatasetKind;
  datasets: Record<string, DatasetCounts>;
  findings: Finding[];
  /** No finding is an error. */
  ok: boolean;
}

export interface CheckHooks {
  onProgress?: (phase: 'reading' | 'comparing', done: number, total: number) => void;
}

/** A recording with what was found in its file. */
interface Checked {
  recording: Recording;
  inspected: Inspected;
}

/** Throws what openDataset throws; everything else is a finding. */
export async function checkData(folder: string, hooks: CheckHooks = {}): Promise<DataCheck> {
  const dataset = openDataset(folder);
  const checked = await inspectAll(dataset.recordings, hooks);
  const findings = [
    ...listFindings(dataset, checked),
    ...fileFindings(checked),
    ...duplicateFindings(checked, hooks),
    ...labelFindings(checked),
  ].sort((a, b) => rank(a.severity) - rank(b.severity));
  const names = [...new Set(dataset.recordings.map((r) => r.dataset))];
  return {
    folder: dataset.folder,
    kind: dataset.kind,
    datasets: Object.fromEntries(names.map((name) => [name, counts(checked.filter(({ recording }) => recording.dataset === name))])),
    findings,
    ok: findings.every((finding) => finding.severity !== 'error'),
  };
}

const rank = (severity: Severity) => ['error', 'warning', 'note'].indexOf(severity);

async function inspectAll(recordings: readonly Recording[], hooks: CheckHooks): Promise<Checked[]> {
  const decoders = new Decoders();
  try {
    const checked: Checked[] = [];
    for (const recording of recordings) {
      checked.push({ recording, inspected: await inspect(recording.path, decoders) });
      hooks.onProgress?.('reading', checked.length, recordings.length);
    }
    return checked;
  } finally {
    decoders.close();
  }
}

/** A finding where there is something to find. */
function found(severity: Severity, code: FindingCode, files: string[][], message: (count: number) => string, remedy: string): Finding[] {
  return files.length > 0 ? [{ severity, code, files, message: message(files.length), remedy }] : [];
}

const single = (items: readonly { recording: Recording }[]) => items.map(({ recording }) => [recording.file]);

/** List against disk. */
function listFindings({ folder, recordings, problems, kind }: OpenedDataset, checked: readonly Checked[]): Finding[] {
  const of = (code: DatasetProblem['code']) => problems.filter((problem) => problem.code === code).map(({ file, message }) => [`${file}: ${message}`]);
  const listed = new Set(recordings.map((r) => r.file));
  const unlisted = kind === 'class-folders' ? [] : audioBelow(folder).filter((file) => !listed.has(file));
  const missing = checked.filter(({ inspected }) => !isReadable(inspected) && inspected.code === 'MISSING');
  const withoutSubject = [...new Set(recordings.filter((r) => r.subject === '').map((r) => r.dataset))];
  return [
    ...found('error', 'DATA_FILE_MISSING', single(missing), (n) => `${n} listed file(s) do not exist`, 'Complete the download, or correct the list.'),
    ...found('error', 'DATA_ROW_INVALID', of('ROW_INVALID'), (n) => `${n} row(s) of the list can't be used`, 'Correct the rows named.'),
    ...found('warning', 'DATA_FILE_UNLISTED', unlisted.map((file) => [file]), (n) => `${n} audio file(s) are in the folder but not in the list`, 'List them, or ignore this where they are meant to be left out.'),
    ...found('note', 'DATA_NAME_MISMATCH', of('NAME_MISMATCH'), (n) => `${n} name(s) in the list differ from those on disk and were matched`, 'Nothing to do: this is how the set was published.'),
    ...found('warning', 'DATA_NO_SUBJECTS', withoutSubject.map((name) => [name]), () => `no subject is known for recordings of ${withoutSubject.join(', ')}`, 'Each such recording counts as its own subject; name subjects in the column `subject` of a manifest.csv where you know them.'),
  ];
}

/** What is wrong with single files. */
function fileFindings(checked: readonly Checked[]): Finding[] {
  const broken = checked.filter(({ inspected }) => !isReadable(inspected) && inspected.code !== 'MISSING');
  const readable = checked.flatMap(({ recording, inspected }) => (isReadable(inspected) ? [{ recording, inspected }] : []));
  const damaged = readable.filter(({ inspected: i }) => i.warnings.length > 0 || i.nonFiniteSamples > 0);
  const short = readable.filter(({ inspected: i }) => i.seconds < MIN_CLIP_SECONDS);
  const clipped = readable.filter(({ inspected: i }) => i.clippedShare > 0.001);
  return [
    ...found('error', 'DATA_UNREADABLE', broken.map(({ recording, inspected }) => [`${recording.file}: ${isReadable(inspected) ? '' : inspected.reason}`]), (n) => `${n} file(s) can't be decoded`, 'Fetch or export them again; training skips them.'),
    ...found('warning', 'DATA_DAMAGED', damaged.map(({ recording, inspected: i }) => [`${recording.file}: ${[...i.warnings, ...(i.nonFiniteSamples > 0 ? [`${i.nonFiniteSamples} samples are no finite numbers`] : [])].join('; ')}`]), (n) => `${n} file(s) are damaged but were decoded`, 'Fetch or export them again.'),
    ...found('warning', 'DATA_TOO_SHORT', single(short), (n) => `${n} recording(s) last less than ${MIN_CLIP_SECONDS} s`, 'Training skips them.'),
    ...found('warning', 'DATA_SILENT', single(readable.filter(({ inspected: i }) => i.peak <= 1e-5)), (n) => `${n} recording(s) hold nothing but silence`, 'Training skips them.'),
    ...found('note', 'DATA_CLIPPED', single(clipped), (n) => `${n} recording(s) have flat tops in more than 0.1 % of their samples`, 'Record with less gain; training augments with clipping, so they stay usable.'),
  ];
}

/** The same sound more than once. */
function duplicateFindings(checked: readonly Checked[], hooks: CheckHooks): Finding[] {
  const readable = checked.flatMap(({ recording, inspected }) => (isReadable(inspected) ? [{ recording, inspected }] : []));
  const exact = groupBy(readable, ({ inspected }) => inspected.audioHash).filter((group) => group.length > 1);
  const near = nearGroups(readable, hooks);
  const both = [...exact, ...near];
  const labels = (group: readonly { recording: Recording }[]) => new Set(group.map(({ recording }) => recording.set).filter((set) => set !== 0));
  const subjects = (group: readonly { recording: Recording }[]) => new Set(group.map(({ recording }) => recording.group));
  const names = (groups: readonly (readonly { recording: Recording }[])[]) => groups.map((group) => group.map(({ recording }) => recording.file));
  const split = both.filter((group) => subjects(group).size > 1);
  return [
    ...found('warning', 'DATA_DUPLICATE', names(exact), (n) => `${n} group(s) of recordings hold exactly the same sound`, 'Keep one of each.'),
    ...found('warning', 'DATA_NEAR_DUPLICATE', names(near), (n) => `${n} group(s) of recordings overlap or are copies of one another`, 'Keep one of each, or give each group one subject.'),
    ...found('error', 'DATA_LABEL_CONFLICT', names(both.filter((group) => labels(group).size > 1)), (n) => `${n} of these groups carry different labels`, 'Find out which label is right.'),
    ...found('error', 'DATA_SUBJECT_LEAK', names(split), (n) => `${n} of these groups are spread over several subjects: a split by subject would leak`, 'Give all of a group the same subject in manifest.csv.'),
  ];
}

/** Groups that near-duplicates tie together, beyond exact copies. */
function nearGroups(readable: readonly { recording: Recording; inspected: Inspection }[], hooks: CheckHooks) {
  const pairs = findNearDuplicates(readable.map(({ inspected }) => inspected.pcm), (done) => hooks.onProgress?.('comparing', done, readable.length));
  const parent = readable.map((_, i) => i);
  const root = (i: number): number => (parent[i] === i ? i : (parent[i] = root(parent[i] ?? i)));
  for (const { a, b } of pairs) parent[root(b)] = root(a);
  return groupBy([...readable.keys()], (i) => String(root(i)))
    .map((indices) => indices.map((i) => readable[i] as (typeof readable)[number]))
    .filter((group) => new Set(group.map(({ inspected }) => inspected.audioHash)).size > 1);
}

/** Classes, and what gives them away without listening. */
function labelFindings(checked: readonly Checked[]): Finding[] {
  return groupBy(checked.filter(({ recording }) => recording.set !== 0), ({ recording }) => recording.dataset).flatMap((group) => {
    const name = group[0]?.recording.dataset ?? '';
    const classes = groupBy(group, ({ recording }) => recording.label);
    const rare = classes.filter((members) => new Set(members.map(({ recording }) => recording.group)).size < 4).map((members) => [`${name}: ${members[0]?.recording.label ?? ''}`]);
    return [
      ...found('warning', 'DATA_ONE_CLASS', classes.length < 2 ? [[name]] : [], () => `${name} has one class only: nothing can be told apart within it`, 'Add recordings of another class.'),
      ...found('warning', 'DATA_RARE_CLASS', rare, () => `${name}: a class has fewer than 4 subjects, so 4 folds can't each hold one`, 'Add subjects, or use fewer folds.'),
      ...lengthCue(name, group),
    ];
  });
}

/** AUROC from which clip length alone tells two classes apart. */
const LENGTH_CUE_AUROC = 0.65;

function lengthCue(name: string, group: readonly Checked[]): Finding[] {
  const items = group.flatMap(({ recording, inspected }) => (isReadable(inspected) ? [{ label: recording.label, seconds: inspected.seconds }] : []));
  if (items.length < 20) return [];
  const labels = [...new Set(items.map((item) => item.label))];
  const cues = labels.flatMap((label) => {
    const value = auroc(items.map((item) => item.label === label), items.map((item) => item.seconds));
    const strength = Math.max(value, 1 - value);
    return strength >= LENGTH_CUE_AUROC ? [`${label} (AUROC ${strength.toFixed(2)})`] : [];
  });
  return found('warning', 'DATA_LENGTH_CUE', cues.map((cue) => [cue]), () => `${name}: clip length alone tells ${cues.join(', ')} from the rest`, 'A model must not see clip length: the recipe "heart" hides it, stretching clips to pictures (recipe "article") shows it.');
}

function counts(checked: readonly Checked[]): DatasetCounts {
  const recordings = checked.map(({ recording }) => recording);
  const readable = checked.flatMap(({ inspected }) => (isReadable(inspected) ? [inspected] : []));
  const seconds = readable.map((i) => i.seconds).sort((a, b) => a - b);
  const sites = [...new Set(recordings.map((r) => r.site))].filter(Boolean).sort();
  return {
    recordings: recordings.length,
    labelled: recordings.filter((r) => r.set !== 0).length,
    subjects: new Set(recordings.map((r) => r.subject).filter(Boolean)).size,
    labels: tally(recordings.map((r) => r.label)),
    sites: Object.fromEntries(sites.map((site) => [site, tally(recordings.filter((r) => r.site === site).map((r) => r.label))])),
    sampleRatesHz: tally(readable.map((i) => String(i.sampleRateHz))),
    seconds: { least: seconds[0] ?? 0, median: seconds[seconds.length >> 1] ?? 0, most: seconds.at(-1) ?? 0, total: seconds.reduce((a, b) => a + b, 0) },
  };
}

function tally(values: readonly string[]): Record<string, number> {
  const counted: Record<string, number> = {};
  for (const value of [...values].sort()) counted[value || '(unlabelled)'] = (counted[value || '(unlabelled)'] ?? 0) + 1;
  return counted;
}
