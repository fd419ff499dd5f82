import { describe, expect, it } from 'vitest';
import { standing } from '../../src/training/early-stopping.js';

describe('early stopping', () => {
  it.each([
    [[], 2, { best: -1, stop: false }],
    [[0.5], 1, { best: 0, stop: false }],
    [[0.5, 0.6], 1, { best: 0, stop: true }],
    [[0.5, 0.6], 2, { best: 0, stop: false }],
    [[0.5, 0.6, 0.4, 0.5], 2, { best: 2, stop: false }],
    [[0.5, 0.6, 0.4, 0.5, 0.4], 2, { best: 2, stop: true }],
    [[NaN, 3, NaN], 2, { best: 1, stop: false }],
    [[NaN, NaN], 3, { best: -1, stop: false }],
    [[NaN, NaN], 2, { best: -1, stop: true }],
  ])('after losses of %j with a patience of %i', (losses, patience, expected) => {
    expect(standing(losses, patience)).toEqual(expected);
  });
});
