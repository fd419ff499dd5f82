/** Every flag of `train` reaches the options of its preset: one that was dropped on the way would be ignored silently. */
import { describe, expect, it } from 'vitest';
import { articleOptions, heartOptions, OWN_FLAGS, ownOptions, refuse, type Preset } from '../../../src/app/commands/train-flags.js';

const optionsOf = { heart: heartOptions, article: articleOptions, own: ownOptions } as const;
const presets = Object.keys(OWN_FLAGS) as Preset[];
const common = ['run', 'seed', 'batchSize', 'checkpointEverySteps'];
const switches = ['pseudoLabels', 'phaseBranch', 'fastMath', 'binary', 'freeze'];
const words = ['run', 'output', 'name', 'modelVersion', 'pretrainDatasets', 'dataset', 'start', 'weights', 'split'];

/** A value that no default has, as commander gives it. */
function given(flag: string): unknown {
  if (switches.includes(flag)) return true;
  return words.includes(flag) ? 'subject' : '7';
}

describe.each(presets)('flags of the preset %s', (preset) => {
  it.each([...common, ...OWN_FLAGS[preset]])('--%s changes the options', (flag) => {
    const plain = JSON.stringify(optionsOf[preset]({ data: 'd' }));
    expect(JSON.stringify(optionsOf[preset]({ data: 'd', [flag]: given(flag) }))).not.toBe(plain);
  });

  it('refuses those of other presets, by their names on the command line', () => {
    const foreign = presets.flatMap((other) => OWN_FLAGS[other] as readonly string[]).find((flag) => !(OWN_FLAGS[preset] as readonly string[]).includes(flag))!;
    expect(() => refuse({ [foreign]: given(foreign) }, preset)).toThrow(new RegExp(`^--${foreign.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} means nothing`));
    expect(() => refuse(Object.fromEntries([...OWN_FLAGS[preset]].map((flag) => [flag, given(flag)])), preset)).not.toThrow();
  });

  it('echoes a number that is none', () => {
    expect(() => optionsOf[preset]({ data: 'd', seed: 'many' })).toThrow('--seed is "many"');
  });
});

it('reads lists and the finder’s rate', () => {
  expect(heartOptions({ data: 'd', pretrainDatasets: 'physionet2016, yaseen' }).pretrainDatasets).toEqual(['physionet2016', 'yaseen']);
  expect(articleOptions({ data: 'd', learningRate: 'auto' })).not.toHaveProperty('learningRate');
  expect(articleOptions({ data: 'd', learningRate: '1e-3' })).toMatchObject({ learningRate: 1e-3 });
});
