import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/common/paths.js';
import { openDataset } from '../../../src/training/datasets/open-dataset.js';
import { diskStem } from '../../../src/training/datasets/pascal.js';
import { readManifestCsv } from '../../../src/training/manifest-csv.js';

const root = mkdtempSync(join(tmpdir(), 'stetho-sets-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A folder with these files; the sounds are never read here. */
function make(name: string, files: Record<string, string>): string {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name, file)), { recursive: true });
    writeFileSync(join(root, name, file), text);
  }
  return join(root, name);
}
const brief = (folder: string) => openDataset(folder).recordings.map((r) => [r.file, r.dataset, r.label, r.subject, r.site]);

describe('PASCAL as published', () => {
  it.each([
    ['Btraining_normal_Btraining_noisynormal_284_1311168471850_B', 'normal_noisynormal_284_1311168471850_B'],
    ['Btraining_murmur_Btraining_noisymurmur_171_1307971016233_D', 'murmur_noisymurmur_171_1307971016233_D'],
    ['Btraining_extrastole_127_1306764300147_C2', 'extrastole__127_1306764300147_C2'],
    ['Bunlabelledtest_101_1305030823364_A', 'Bunlabelledtest__101_1305030823364_A'],
    ['normal__201102081321', 'normal__201102081321'],
  ])('%s is %s on disk', (listed, onDisk) => expect(diskStem(listed)).toBe(onDisk));

  it('finds WAV and FLAC under either name, with subject and place', () => {
    const folder = make('pascal', {
      'set_b.csv': 'dataset,fname,label,sublabel\nb,set_b/Btraining_extrastole_127_1306764300147_C2.wav,extrastole,\nb,set_b/Btraining_normal_Btraining_noisynormal_284_13_B.wav,normal,noisynormal\nb,set_b/Btraining_murmur_112_14_A.wav,murmur,\n',
      'set_b/extrastole__127_1306764300147_C2.flac': '',
      'set_b/normal_noisynormal_284_13_B.wav': '',
      'set_a.csv': 'dataset,fname,label,sublabel\na,set_a/artifact__201012172012.wav,artifact,\n',
      'set_a/artifact__201012172012.wav': '',
    });
    const { kind, problems } = openDataset(folder);
    expect(kind).toBe('pascal');
    expect(brief(folder)).toEqual([
      ['set_a/artifact__201012172012.wav', 'pascal-a', 'artifact', 'a20101217', ''],
      ['set_b/extrastole__127_1306764300147_C2.flac', 'pascal-b', 'extrastole', 'b127', 'C2'],
      ['set_b/normal_noisynormal_284_13_B.wav', 'pascal-b', 'normal', 'b284', 'B'],
      ['set_b/Btraining_murmur_112_14_A.wav', 'pascal-b', 'murmur', 'b112', 'A'],
    ]);
    expect(problems.map((p) => p.code)).toEqual(['NAME_MISMATCH', 'NAME_MISMATCH', 'FILE_MISSING']);
  });

  it('names the line of a label that is not known', () => {
    const folder = make('pascal-bad', { 'set_b.csv': 'dataset,fname,label,sublabel\nb,set_b/x.wav,wheeze,\n' });
    expect(() => openDataset(folder)).toThrow(expect.objectContaining({ code: 'TRAINING_LABEL_UNKNOWN', message: expect.stringMatching(/line 2.*wheeze/) as string }));
  });

  const shared = join(packageRoot, '..', 'shared', 'data');
  it.skipIf(!existsSync(shared))('agrees with the shared manifest.csv (skipped where ../shared/data is missing)', () => {
    const expected = readManifestCsv(shared).filter((r) => r.dataset.startsWith('pascal'));
    const opened = openDataset(join(shared, 'pascal')).recordings;
    const key = (r: { file: string; dataset: string; label: string }) => `${r.file.replace(/^pascal\//, '')} ${r.dataset} ${r.label}`;
    expect(opened.map(key).sort()).toEqual(expected.map(key).sort());
    const originOf = new Map(expected.map((r) => [r.file, `${r.subject} ${r.site}`]));
    const differing = opened.filter((r) => originOf.get(`pascal/${r.file}`) !== `${r.subject} ${r.site}`);
    expect(differing.map((r) => r.file)).toEqual([]);
  });
});

describe('other published forms', () => {
  it('PhysioNet: one part or several, −1 normal, 1 abnormal', () => {
    const folder = make('physionet', { 'training-a/REFERENCE.csv': 'a0001,1\na0002,-1\na0003,0\n', 'training-a/a0001.wav': '', 'training-a/a0002.flac': '', 'training-b/REFERENCE.csv': 'b0001,-1\n' });
    expect(brief(folder)).toEqual([
      ['training-a/a0001.wav', 'physionet2016', 'abnormal', '', 'training-a'],
      ['training-a/a0002.flac', 'physionet2016', 'normal', '', 'training-a'],
      ['training-b/b0001.wav', 'physionet2016', 'normal', '', 'training-b'],
    ]);
    expect(openDataset(folder).problems.map((p) => p.code)).toEqual(['NO_SUBJECTS', 'ROW_INVALID', 'FILE_MISSING']);
    expect(brief(join(folder, 'training-a'))[0]).toEqual(['a0001.wav', 'physionet2016', 'abnormal', '', 'training-a']);
  });

  it('CirCor: murmur where it is heard, unlabelled elsewhere, one subject for two ids', () => {
    const text = (id: string, murmur: string, where: string, other = 'nan') =>
      `${id} 2 4000\nAV ${id}_AV.hea ${id}_AV.wav ${id}_AV.tsv\nMV ${id}_MV.hea ${id}_MV.wav ${id}_MV.tsv\n#Age: Child\n#Murmur: ${murmur}\n#Murmur locations: ${where}\n#Outcome: Abnormal\n#Additional ID: ${other}\n`;
    const folder = make('circor', {
      'training_data/13918.txt': text('13918', 'Present', 'AV'),
      'training_data/20000.txt': text('20000', 'Absent', 'nan', '13918'),
      'training_data/30000.txt': text('30000', 'Unknown', 'nan'),
      ...Object.fromEntries(['13918', '20000', '30000'].flatMap((id) => ['AV', 'MV'].map((place) => [`training_data/${id}_${place}.wav`, '']))),
    });
    expect(brief(folder)).toEqual([
      ['training_data/13918_AV.wav', 'circor', 'murmur', '13918', 'AV'],
      ['training_data/13918_MV.wav', 'circor', '', '13918', 'MV'],
      ['training_data/20000_AV.wav', 'circor', 'normal', '13918', 'AV'],
      ['training_data/20000_MV.wav', 'circor', 'normal', '13918', 'MV'],
      ['training_data/30000_AV.wav', 'circor', '', '30000', 'AV'],
      ['training_data/30000_MV.wav', 'circor', '', '30000', 'MV'],
    ]);
    expect(openDataset(folder).problems).toEqual([]);
  });

  it('Yaseen: folders per valve disease', () => {
    const folder = make('yaseen', { 'AS_New_3주기/New_AS_001.wav': '', 'N_New_3주기/New_N_001.wav': '' });
    expect(brief(folder).map(([file, dataset, label]) => [file, dataset, label])).toEqual([
      ['AS_New_3주기/New_AS_001.wav', 'yaseen', 'AS'],
      ['N_New_3주기/New_N_001.wav', 'yaseen', 'N'],
    ]);
  });

  it('BMD-HS: labels of the patient, places from the names', () => {
    const folder = make('bmdhs', {
      'train.csv': 'patient_id,AS,AR,MR,MS,N,recording_1,recording_2\npatient_001,1,0,1,0,0,MD_001_sup_Mit,MD_001_sit_Aor\npatient_090,0,0,0,0,1,N_090_sup_Mit,\n',
      'train/MD_001_sup_Mit.wav': '',
      'train/MD_001_sit_Aor.wav': '',
      'train/N_090_sup_Mit.wav': '',
    });
    expect(brief(folder)).toEqual([
      ['train/MD_001_sup_Mit.wav', 'bmdhs', 'AS+MR', 'patient_001', 'sup_Mit'],
      ['train/MD_001_sit_Aor.wav', 'bmdhs', 'AS+MR', 'patient_001', 'sit_Aor'],
      ['train/N_090_sup_Mit.wav', 'bmdhs', 'normal', 'patient_090', 'sup_Mit'],
    ]);
  });

  it('a folder per class, deeper folders included', () => {
    const folder = make('clinic', { 'Normal/a.wav': '', 'murmur/ward/b.flac': '', 'unlabelled/c.wav': '', 'notes/readme.txt': '' });
    expect(brief(folder)).toEqual([
      ['Normal/a.wav', 'clinic', 'normal', '', ''],
      ['murmur/ward/b.flac', 'clinic', 'murmur', '', ''],
      ['unlabelled/c.wav', 'clinic', '', '', ''],
    ]);
  });

  it('several collections side by side', () => {
    const folder = make('all', { 'physionet/training-a/REFERENCE.csv': 'a0001,1\n', 'physionet/training-a/a0001.wav': '', 'mine/normal/x.wav': '' });
    const { kind, recordings } = openDataset(folder);
    expect(kind).toBe('collection');
    expect(recordings.map((r) => [r.file, r.path === join(folder, r.file), r.group])).toEqual([
      ['mine/normal/x.wav', true, 'mine|file:mine/normal/x.wav'],
      ['physionet/training-a/a0001.wav', true, 'physionet2016|file:physionet/training-a/a0001.wav'],
    ]);
  });

  it('prefers manifest.csv to everything else', () => {
    const folder = make('both', { 'manifest.csv': 'file,dataset,label\na.wav,x,normal\n', 'normal/b.wav': '' });
    expect(openDataset(folder)).toMatchObject({ kind: 'manifest', recordings: [{ file: 'a.wav' }] });
  });
});

describe('what is no data set', () => {
  it.each([
    ['a folder that is not there', '/nonexistent', 'TRAINING_FOLDER_MISSING'],
    ['a file', join(packageRoot, 'package.json'), 'TRAINING_FOLDER_MISSING'],
    ['a folder of something else', make('nothing', { 'a.txt': 'x' }), 'TRAINING_DATASET_UNRECOGNISED'],
    ['empty classes', make('empty', { 'normal/readme.txt': '' }), 'TRAINING_DATASET_EMPTY'],
  ])('refuses %s', (_, folder, code) => {
    expect(() => openDataset(folder)).toThrow(expect.objectContaining({ code, remedy: expect.stringMatching(/./) as string }));
  });
});

describe('labels of any name (anyLabel)', () => {
  const labels = (folder: string, anyLabel: boolean) => openDataset(folder, { anyLabel }).recordings.map((r) => [r.file, r.label, r.set]);

  it('a manifest keeps labels that the heart model does not know, without a set', () => {
    const folder = make('any-manifest', { 'manifest.csv': 'file,dataset,label\na.wav,mine,S3\nb.wav,mine,normal\n', 'a.wav': '', 'b.wav': '' });
    expect(labels(folder, true)).toEqual([['a.wav', 'S3', 0], ['b.wav', 'normal', 1]]);
    expect(() => openDataset(folder)).toThrow(expect.objectContaining({ code: 'TRAINING_LABEL_UNKNOWN' }));
  });

  it('every folder that holds recordings is a class, beside known names or alone', () => {
    const mixed = make('any-mixed', { 'Normal/a.wav': '', 'S3/b.wav': '', 'notes/readme.txt': '' });
    expect(labels(mixed, true)).toEqual([['Normal/a.wav', 'normal', 1], ['S3/b.wav', 'S3', 0]]);
    expect(labels(mixed, false)).toEqual([['Normal/a.wav', 'normal', 1]]);
    const alone = make('any-alone', { 'S3/a.wav': '', 'S4/b.wav': '', 'notes/readme.txt': '' });
    expect(labels(alone, true)).toEqual([['S3/a.wav', 'S3', 0], ['S4/b.wav', 'S4', 0]]);
    expect(() => openDataset(alone)).toThrow(expect.objectContaining({ code: 'TRAINING_DATASET_UNRECOGNISED' }));
  });

  it('collections side by side stay what they are', () => {
    const both = make('any-both', { 'pascal/set_b.csv': 'dataset,fname,label,sublabel\nb,set_b/Btraining_murmur_112_14_A.wav,murmur,\n', 'pascal/set_b/murmur__112_14_A.wav': '', 'mine/normal/a.wav': '', 'mine/S3/b.wav': '' });
    expect(openDataset(both, { anyLabel: true }).recordings.map((r) => [r.dataset, r.label])).toEqual([['mine', 'S3'], ['mine', 'normal'], ['pascal-b', 'murmur']]);
  });
});

describe('spelling of labels', () => {
  const rows = (labels: [string, string][]) => ['file,dataset,label,sublabel,subject,site', ...labels.map(([dataset, label], i) => `${i}.wav,${dataset},${label},,,`)].join('\n');
  const labels = (name: string, given: [string, string][]) => openDataset(make(name, { 'manifest.csv': rows(given) }), { anyLabel: true }).recordings.map((r) => r.label);

  it('is the most frequent one within a data set, whatever the order of the rows', () => {
    expect(labels('spelling', [['a', 'MVP'], ['a', 'normal'], ['a', 'NORMAL'], ['a', 'mvp'], ['a', 'normal'], ['b', 'Normal'], ['a', '']])).toEqual(['MVP', 'normal', 'normal', 'MVP', 'normal', 'Normal', '']);
    expect(labels('spelling-2', [['a', 'mvp'], ['a', 'MVP']])).toEqual(['MVP', 'MVP']);
  });

  it('makes one class of them, in folders too', () => {
    const folder = make('spelling-folders', { 'Normal/1.wav': '', 'normal/2.wav': '', 'murmur/3.wav': '', 'normal/4.wav': '' });
    expect(brief(folder).map(([, , label]) => label).sort()).toEqual(['murmur', 'normal', 'normal', 'normal']);
  });
});
