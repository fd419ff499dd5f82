import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Phonocardiogram } from '../../../src/capture/synth/phonocardiogram.js';
import { checkData, type DataCheck, type FindingCode } from '../../../src/training/data-check/check-data.js';
import { findNearDuplicates } from '../../../src/training/data-check/near-duplicates.js';
import { formatDataCheck } from '../../../src/training/data-check/readable.js';
import { Random } from '../../../src/training/random.js';
import { int16Bytes, wavBytes } from '../../capture/wav-bytes.js';
import { heartLike, synthWav, writeDataset } from '../synth-dataset.js';

const folder = mkdtempSync(join(tmpdir(), 'stetho-check-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const heart = (seed: number, samples: number, sampleRateHz = 2000) => new Phonocardiogram({ seed, sampleRateHz, bpm: 60 + seed }).render(samples);
const wav = (pcm: Float32Array, sampleRateHz = 4000) => wavBytes({ bits: 16, sampleRateHz, data: int16Bytes(Array.from(pcm, (x) => Math.max(-32768, Math.min(32767, Math.round(32767 * x))))) });

describe('near-duplicates', () => {
  it('finds the same sound cut elsewhere, louder, with a little noise; not other beats of the same heart', () => {
    const long = heart(1, 20_000);
    const random = new Random(1);
    const recordings = [long.slice(0, 8000), long.slice(4000, 12_000).map((x) => -0.3 * x), long.slice(2000, 9000).map((x) => x + 0.002 * random.normal()), long.slice(13_000, 20_000), heart(2, 8000), null, heart(3, 8000)];
    const pairs = findNearDuplicates(recordings).map(({ a, b }) => `${a}-${b}`).sort();
    expect(pairs).toEqual(['0-1', '0-2', '1-2']);
  });

  it('says how far they agree', () => {
    const long = heart(4, 12_000);
    const [pair] = findNearDuplicates([long.slice(0, 8000), long.slice(3000, 11_000)]);
    expect(pair?.correlation).toBeCloseTo(1, 4);
    expect(pair?.overlapSamples).toBe(5000);
  });

  it('is silent about unrelated recordings', () => {
    expect(findNearDuplicates(Array.from({ length: 40 }, (_, i) => heart(i, 6000)))).toEqual([]);
  });
});

describe('data check', () => {
  let check: DataCheck;
  const phases: string[] = [];
  const found = (code: FindingCode) => check.findings.find((finding) => finding.code === code);

  beforeAll(async () => {
    const clips = heartLike();
    writeDataset(folder, clips);
    const add = (file: string, label: string, subject: string, bytes: Uint8Array | string | null) => {
      appendFileSync(join(folder, 'manifest.csv'), `${file},pascal-b,${label},,${subject},A\n`);
      if (bytes !== null) writeFileSync(join(folder, file), bytes);
    };
    const long = heart(77, 24_000, 4000);
    add('copy.wav', 'normal', 's0', synthWav('normal', 4, 900));
    add('copy-of-it.wav', 'murmur', 'other', synthWav('normal', 4, 900));
    add('left.wav', 'normal', 'twin', wav(long.slice(0, 16_000)));
    add('right.wav', 'normal', 'twin', wav(long.slice(6000, 24_000)));
    add('loud.wav', 'normal', 'l', wav(heart(5, 12_000, 4000).map((x) => 8 * x)));
    add('short.wav', 'normal', 'sh', synthWav('normal', 0.2, 901));
    add('silent.wav', 'normal', 'si', wav(new Float32Array(8000)));
    add('text.wav', 'normal', 't', 'no sound at all');
    add('gone.wav', 'normal', 'g', null);
    writeFileSync(join(folder, 'unlisted.wav'), synthWav('murmur', 2, 902));
    check = await checkData(folder, { onProgress: (phase) => phases.push(phase) });
  }, 60_000);

  it.each([
    ['DATA_FILE_MISSING', 'error', [['gone.wav']]],
    ['DATA_FILE_UNLISTED', 'warning', [['unlisted.wav']]],
    ['DATA_DUPLICATE', 'warning', [['copy.wav', 'copy-of-it.wav']]],
    ['DATA_LABEL_CONFLICT', 'error', [['copy.wav', 'copy-of-it.wav']]],
    ['DATA_SUBJECT_LEAK', 'error', [['copy.wav', 'copy-of-it.wav']]],
    ['DATA_NEAR_DUPLICATE', 'warning', [['left.wav', 'right.wav']]],
    ['DATA_CLIPPED', 'note', [['loud.wav']]],
    ['DATA_TOO_SHORT', 'warning', [['short.wav']]],
    ['DATA_SILENT', 'warning', [['silent.wav']]],
  ] as const)('%s', (code, severity, files) => expect(found(code)).toMatchObject({ severity, files }));

  it('names what can not be decoded, and why', () => {
    expect(found('DATA_UNREADABLE')?.files[0]?.[0]).toMatch(/^text\.wav: .*none of/);
    expect(check.ok).toBe(false);
  });

  it('counts labels, subjects, sites and seconds', () => {
    expect(check.datasets['pascal-b']).toMatchObject({ recordings: 29, labelled: 29, labels: { extrastole: 5, murmur: 7, normal: 17 } });
    expect(check.datasets['physionet2016']?.sites['training-a']).toEqual({ abnormal: 4, normal: 4 });
    expect(check.datasets['physionet2016']?.subjects).toBe(0);
    expect(found('DATA_NO_SUBJECTS')?.files).toEqual([['physionet2016']]);
    expect(check.findings.filter((f) => f.code === 'DATA_RARE_CLASS').flatMap((f) => f.files.flat())).toEqual(expect.arrayContaining(['yaseen: N']));
  });

  it('reads well, errors first, and goes through JSON unchanged', () => {
    const text = formatDataCheck(check);
    expect(text).toContain('copy.wav = copy-of-it.wav');
    expect(text.indexOf('ERROR')).toBeLessThan(text.indexOf('WARNING'));
    expect(text).not.toMatch(/NaN|undefined/);
    expect(JSON.parse(JSON.stringify(check))).toEqual(check);
    expect(new Set(phases)).toEqual(new Set(['reading', 'comparing']));
  });

  it('tells when clip length gives the label away', async () => {
    const at = join(folder, 'length');
    writeDataset(at, Array.from({ length: 24 }, (_, i) => ({ file: `${i}.wav`, dataset: 'x', label: i % 2 ? 'murmur' : 'normal', subject: `${i}`, site: '', kind: 'normal' as const, seconds: i % 2 ? 3 + i / 24 : 1 + i / 24, seed: i })));
    const cue = (await checkData(at)).findings.find((finding) => finding.code === 'DATA_LENGTH_CUE');
    expect(cue?.message).toContain('AUROC 1.00');
  });
});
