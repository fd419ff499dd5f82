import { describe, expect, it } from 'vitest';
import type { LoadedRecording } from '../../src/training/audio-cache.js';
import { divide } from '../../src/training/division.js';
import { labelSet } from '../../src/training/label-map.js';
import { HEART_RECIPE } from '../../src/training/recipe.js';

function recording(dataset: string, label: string, index: number, subject: string, site = ''): LoadedRecording {
  const file = `${dataset}/${label}-${index}`;
  return {
    file, path: file, dataset, label, sublabel: '', subject, site,
    set: labelSet(dataset, label),
    group: subject === '' ? `${dataset}|file:${file}` : `${dataset}|${subject}`,
    pcm: new Float32Array(1),
    durationS: 3,
  };
}

/** As the shared recordings are: PhysioNet without subjects, PASCAL B with several recordings of a subject. */
function population(): LoadedRecording[] {
  const list = (count: number, dataset: string, label: string, subject: (i: number) => string, site = '') =>
    Array.from({ length: count }, (_, i) => recording(dataset, label, i, subject(i), site));
  return [
    ...['training-a', 'training-e'].flatMap((site) => [...list(200, `physionet2016`, 'normal', () => '', site), ...list(60, 'physionet2016', 'abnormal', () => '', site)].map((r, i) => ({ ...r, file: `${site}-${i}`, group: `physionet2016|file:${site}-${i}` }))),
    ...list(40, 'pascal-a', 'artifact', (i) => `day${i % 12}`),
    ...list(80, 'pascal-b', 'normal', (i) => `s${i % 50}`),
    ...list(40, 'pascal-b', 'murmur', (i) => `m${i % 25}`),
    ...list(20, 'pascal-b', 'extrastole', (i) => `s${i}`),
    ...list(30, 'pascal-b', '', (i) => `u${i}`),
  ];
}

describe('division', () => {
  const all = population();
  const division = divide(all, HEART_RECIPE, 1);
  const groups = (recordings: readonly LoadedRecording[]) => new Set(recordings.map((r) => r.group));
  const disjoint = (a: readonly LoadedRecording[], b: readonly LoadedRecording[]) => [...groups(a)].every((group) => !groups(b).has(group));

  it('never puts a subject on two sides', () => {
    const { pretrain, target, test, calibration, artifactTest, folds } = division;
    const parts = [pretrain, target, test, calibration, artifactTest];
    parts.forEach((a, i) => parts.slice(i + 1).forEach((b) => expect(disjoint(a, b)).toBe(true)));
    for (const fold of folds) expect(disjoint(fold.training, fold.validation)).toBe(true);
  });

  it('uses every labelled recording once and no unlabelled one', () => {
    const { pretrain, target, test, calibration, artifactTest, folds } = division;
    expect([...pretrain, ...target, ...test, ...calibration, ...artifactTest].map((r) => r.file).sort()).toEqual(all.filter((r) => r.set !== 0).map((r) => r.file).sort());
    expect(folds.flatMap((fold) => fold.validation).map((r) => r.file).sort()).toEqual(target.map((r) => r.file).sort());
    expect(target.every((r) => r.dataset === 'pascal-b' && r.label !== '')).toBe(true);
  });

  it('holds out the shares asked for, of every site and label alike', () => {
    for (const [part, share] of [[division.test, 0.13], [division.calibration, 0.07]] as const) {
      for (const site of ['training-a', 'training-e']) {
        for (const [label, total] of [['normal', 200], ['abnormal', 60]] as const) {
          expect(part.filter((r) => r.site === site && r.label === label).length / total).toBeCloseTo(share, 1);
        }
      }
    }
  });

  it('repeats for a seed, differs for another', () => {
    expect(divide(all, HEART_RECIPE, 1)).toEqual(division);
    expect(divide(all, HEART_RECIPE, 2).test).not.toEqual(division.test);
  });

  it('refuses a target of one class, or with a class of fewer subjects than folds', () => {
    const without = (labels: string[]) => all.filter((r) => r.dataset !== 'pascal-b' || !labels.includes(r.label));
    expect(() => divide(without(['murmur', 'extrastole']), HEART_RECIPE, 1)).toThrow(expect.objectContaining({ code: 'TRAINING_CLASS_MISSING' }));
    const rare = [...without(['extrastole']), recording('pascal-b', 'extrastole', 0, 'x')];
    expect(() => divide(rare, HEART_RECIPE, 1)).toThrow(expect.objectContaining({ code: 'TRAINING_CLASS_MISSING', message: expect.stringContaining('4 folds') as string }));
  });
});
