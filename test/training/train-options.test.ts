/** Options of the recipe heart: defaults, and refusals before anything is loaded. */
import { describe, expect, it } from 'vitest';
import { networkOf } from '../../src/training/recipe.js';
import { withDefaults } from '../../src/training/train-options.js';

describe('options of the recipe heart', () => {
  it('pre-trains on the sets whose terms allow a shared model unless told otherwise', () => {
    expect(withDefaults({ data: '.' }).recipe.pretrainDatasets).toEqual(['physionet2016', 'pascal-a']);
  });

  it('takes further sets for pre-training', () => {
    const names = ['physionet2016', 'pascal-a', 'yaseen'];
    expect(withDefaults({ data: '.', pretrainDatasets: names }).recipe.pretrainDatasets).toEqual(names);
  });

  it.each([[['yaseen']], [['physionet2016']], [['physionet2016', 'pascal-a', 'pascal-b']]])('refuses %j', (names) => {
    expect(() => withDefaults({ data: '.', pretrainDatasets: names })).toThrowError(expect.objectContaining({ code: 'TRAINING_OPTION_INVALID', message: expect.stringContaining(names.join(',')) }));
  });

  it('has a frame head unless told not to, with half of its weight in fine-tuning', () => {
    expect(withDefaults({ data: '.', frameHead: 0 }).recipe.pretrain.frameHeadWeight).toBe(0);
    const { pretrain, finetune } = withDefaults({ data: '.' }).recipe;
    expect([pretrain.frameHeadWeight, finetune.frameHeadWeight]).toEqual([0.5, 0.25]);
    expect(() => withDefaults({ data: '.', frameHead: -1 })).toThrowError(expect.objectContaining({ code: 'TRAINING_OPTION_INVALID' }));
  });

  it('listens first, to as many windows as it is told, unless told not to', () => {
    expect(withDefaults({ data: '.', listenWindows: 9 }).recipe.listen).toMatchObject({ windows: 9, batchSize: 16 });
    expect(withDefaults({ data: '.' }).recipe.listen).toMatchObject({ windows: 40_000, batchSize: 16 });
    expect(withDefaults({ data: '.', listenWindows: 7, batchSize: 3 }).recipe.listen).toMatchObject({ windows: 7, batchSize: 3 });
    expect(withDefaults({ data: '.', listenWindows: 0 }).recipe).not.toHaveProperty('listen');
    expect(() => withDefaults({ data: '.', listenWindows: -1 })).toThrowError(expect.objectContaining({ code: 'TRAINING_OPTION_INVALID' }));
  });

  it('begins pre-training on half windows where it is told to', () => {
    const { pretrain, finetune } = withDefaults({ data: '.', halfWindows: 0.75 }).recipe;
    expect(pretrain.halfWindows).toBe(0.75);
    expect(finetune).not.toHaveProperty('halfWindows');
    expect(withDefaults({ data: '.' }).recipe.pretrain).not.toHaveProperty('halfWindows');
    for (const halfWindows of [-0.1, 1.1, NaN]) expect(() => withDefaults({ data: '.', halfWindows })).toThrowError(expect.objectContaining({ code: 'TRAINING_OPTION_INVALID', message: expect.stringContaining(String(halfWindows)) }));
  });

  it('has a phase branch, where the frame head has something to learn, unless told not to', () => {
    const { recipe, features, spec } = withDefaults({ data: '.' });
    expect(networkOf(spec, recipe, features, true).phase).toEqual({ height: 64, width: 188, phases: 8, members: 8, hidden: 64 });
    expect(networkOf(spec, recipe, features, false)).toBe(spec);
    for (const without of [{ phaseBranch: false }, { frameHead: 0 }]) expect(networkOf(spec, withDefaults({ data: '.', ...without }).recipe, features, true)).toBe(spec);
  });

  it.each([
    ['name', { name: 'My_Heart' }, 'My_Heart'],
    ['name', { name: '../elsewhere' }, '../elsewhere'],
    ['version', { version: '1.0' }, '1.0'],
    ['version', { version: 'v1.0.0' }, 'v1.0.0'],
    ['seed', { seed: 1.5 }, '1.5'],
    ['seed', { seed: -1 }, '-1'],
  ])('refuses a %s that no manifest may hold before anything is trained: %j', (option, options, value) => {
    expect(() => withDefaults({ data: '.', ...options })).toThrowError(expect.objectContaining({ code: 'TRAINING_OPTION_INVALID', message: expect.stringMatching(new RegExp(`^${option} is .*${value.replaceAll('.', '\\.')}.*must be`)) }));
  });

  it('takes what a manifest may hold', () => {
    expect(withDefaults({ data: '.', name: 'my-heart.2', version: '10.0.1', seed: 0 })).toMatchObject({ name: 'my-heart.2', version: '10.0.1', seed: 0 });
  });

  it.each([0, 1.5, -2])('refuses %d fine-tunings', (finetuneRuns) => {
    expect(() => withDefaults({ data: '.', finetuneRuns })).toThrowError(expect.objectContaining({ code: 'TRAINING_OPTION_INVALID' }));
  });
});
