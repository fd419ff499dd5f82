import { describe, expect, it } from 'vitest';
import type { StateDict } from '../../src/inference/state-dict.js';
import { averageWeights } from '../../src/training/weight-soup.js';

const state = (values: Record<string, number[]>): StateDict => new Map(Object.entries(values).map(([name, data]) => [name, { shape: [data.length], data: Float32Array.from(data) }]));

describe('weight soup', () => {
  it('is the mean of each number, statistics of batch norm too, and shares no memory with its members', () => {
    const members = [state({ w: [1, 2], 'bn.running_var': [4] }), state({ w: [3, -2], 'bn.running_var': [1] }), state({ w: [5, 0.75], 'bn.running_var': [1] })];
    const soup = averageWeights(members);
    expect([...soup].map(([name, { shape, data }]) => [name, shape, [...data]])).toEqual([
      ['w', [2], [3, 0.25]],
      ['bn.running_var', [1], [2]],
    ]);
    const alone = averageWeights(members.slice(0, 1));
    alone.get('w')!.data[0] = 9;
    expect(members[0]!.get('w')!.data[0]).toBe(1);
  });

  it('leaves out what it is told to, and refuses members of different networks', () => {
    expect([...averageWeights([state({ 'frames.bias': [1], fc: [1] })], { without: 'frames.' }).keys()]).toEqual(['fc']);
    expect(() => averageWeights([state({ w: [1] }), state({ w: [1, 2] })])).toThrow('differ in w');
    expect(() => averageWeights([state({ w: [1] }), state({ v: [1] })])).toThrow('differ in w');
    expect(() => averageWeights([])).toThrow('no weights');
  });
});
