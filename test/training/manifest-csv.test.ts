import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/common/paths.js';
import { parseCsv } from '../../src/training/csv.js';
import { ARTIFACT, EXTRASYSTOLE, HEART_SOUND, MURMUR, NORMAL, labelSet, labelSetName, singleLabel } from '../../src/training/label-map.js';
import { parseManifest, readManifestCsv } from '../../src/training/manifest-csv.js';

const header = 'file,dataset,label,sublabel,subject,site';
const parse = (...rows: string[]) => parseManifest([header, ...rows].join('\n'), '/data/manifest.csv', '/data');

describe('CSV', () => {
  it('reads back any fields that were quoted (property)', () => {
    const quote = (field: string) => (/[",\r\n]/.test(field) || field === '' ? `"${field.replaceAll('"', '""')}"` : field);
    const field = fc.string({ unit: fc.constantFrom('a', 'é', '"', ',', '\n', '\r', ' ') });
    fc.assert(
      fc.property(fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 5 }), fc.constantFrom('\n', '\r\n'), (rows, end) => {
        expect(parseCsv(rows.map((row) => row.map(quote).join(',')).join(end) + end)).toEqual(rows);
      }),
    );
  });

  it('keeps empty fields, ignores a byte-order mark, names the line of an open quote', () => {
    expect(parseCsv('\ufeffa,,b,\n')).toEqual([['a', '', 'b', '']]);
    expect(() => parseCsv('a,b\n"c')).toThrow(/line 2/);
  });
});

describe('label map', () => {
  it.each([
    ['pascal-b', 'normal', NORMAL],
    ['pascal-b', 'extrastole', EXTRASYSTOLE],
    ['pascal-b', '', 0],
    ['pascal-a', 'artifact', ARTIFACT],
    ['pascal-a', 'extrahls', HEART_SOUND],
    ['physionet2016', 'abnormal', MURMUR | EXTRASYSTOLE],
    ['yaseen', 'N', NORMAL],
    ['yaseen', 'MVP', MURMUR],
    ['bmdhs', 'AS+AR+MR+MS', MURMUR],
    ['my-clinic', 'murmur', MURMUR],
    ['my-clinic', 'Normal', NORMAL],
    ['my-clinic', 'ar+MVP', MURMUR],
    ['circor2022', 'Absent', NORMAL],
    ['circor2022', 'Present', MURMUR],
    ['circor2022', 'Unknown', 0],
  ])('%s %s', (dataset, label, set) => expect(labelSet(dataset, label)).toBe(set));

  it('refuses what it does not know, also names that objects inherit', () => {
    for (const [dataset, label] of [['yaseen', 'XX'], ['bmdhs', 'AS+XX'], ['x', 'normal murmur']] as const) {
      expect(() => labelSet(dataset, label)).toThrow(expect.objectContaining({ code: 'TRAINING_LABEL_UNKNOWN' }));
    }
    expect(() => labelSet('x', 'constructor')).toThrow(expect.objectContaining({ code: 'TRAINING_LABEL_UNKNOWN' }));
  });

  it('names sets and finds single labels', () => {
    expect(labelSetName(MURMUR | EXTRASYSTOLE)).toBe('murmur/extrasystole');
    expect(singleLabel(EXTRASYSTOLE)).toBe(2);
    expect(singleLabel(HEART_SOUND)).toBe(-1);
  });
});

describe('manifest', () => {
  it('groups by data set and subject, by file where no subject is known', () => {
    const [a, b, c] = parse('x.flac,pascal-b,normal,,b101,A', 'y.flac,physionet2016,abnormal,,,training-a', '"z, 1.flac",physionet2016,normal,,,training-a');
    expect(a).toMatchObject({ group: 'pascal-b|b101', path: '/data/x.flac', set: NORMAL, site: 'A' });
    expect(b?.group).not.toBe(c?.group);
    expect(c?.file).toBe('z, 1.flac');
  });

  it('does without the optional columns', () => {
    expect(parseManifest('label,file,dataset\nnormal,a.wav,mine\n', 'm', '/d')[0]).toMatchObject({ file: 'a.wav', subject: '', site: '' });
  });

  it.each([
    ['an unknown label, with its line', ['a.flac,pascal-b,normal,,1,A', 'b.flac,pascal-b,wheeze,,1,A'], 'TRAINING_LABEL_UNKNOWN', /line 3.*wheeze/],
    ['a short row', ['a.flac,pascal-b'], 'TRAINING_MANIFEST_INVALID', /line 2.*2 fields/],
    ['a file listed twice', ['a.flac,x,normal,,1,A', 'a.flac,x,murmur,,1,A'], 'TRAINING_MANIFEST_INVALID', /a\.flac a second time/],
    ['no rows', [], 'TRAINING_MANIFEST_INVALID', /no recording/],
  ])('refuses %s', (_, rows, code, message) => {
    expect(() => parse(...rows)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) as string }));
  });

  it('refuses a folder without one, and a header without its columns', () => {
    expect(() => readManifestCsv('/nonexistent')).toThrow(expect.objectContaining({ code: 'TRAINING_MANIFEST_MISSING' }));
    expect(() => parseManifest('a,b\n1,2\n', 'm', '/')).toThrow(expect.objectContaining({ code: 'TRAINING_MANIFEST_INVALID' }));
  });
});

const shared = join(packageRoot, '..', 'shared', 'data');
describe.skipIf(!existsSync(shared))('the shared recordings (skipped where ../shared/data is missing)', () => {
  it('all have a known label', () => {
    const recordings = readManifestCsv(shared);
    const count = (dataset: string) => recordings.filter((r) => r.dataset === dataset && r.set !== 0).length;
    expect(['pascal-a', 'pascal-b', 'physionet2016', 'yaseen', 'bmdhs'].map(count)).toEqual([105, 365, 2916, 788, 695]);
  });
});
