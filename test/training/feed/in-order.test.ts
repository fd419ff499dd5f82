import { describe, expect, it } from 'vitest';
import { inOrder } from '../../../src/training/feed/in-order.js';

const items = Array.from({ length: 20 }, (_, i) => i);
/** Later items are done sooner. */
const slower = (i: number) => new Promise<number>((resolve) => setTimeout(() => resolve(i * i), (20 - i) % 7));

async function all<T>(results: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = [];
  for await (const result of results) seen.push(result);
  return seen;
}

describe('inOrder', () => {
  it.each([1, 3, 100])('yields in the order of the items, at most %i at once', async (limit) => {
    let [running, most] = [0, 0];
    const work = async (i: number) => {
      most = Math.max(most, ++running);
      const result = await slower(i);
      running--;
      return result;
    };
    expect(await all(inOrder(items, work, limit))).toEqual(items.map((i) => i * i));
    expect(most).toBe(Math.min(limit, items.length));
  });

  it('throws a failure at its turn, after the results before it', async () => {
    const seen: number[] = [];
    const work = (i: number) => (i === 3 || i === 4 ? Promise.reject(new Error(`item ${i}`)) : slower(i));
    await expect(
      (async () => {
        for await (const result of inOrder(items, work, 5)) seen.push(result);
      })(),
    ).rejects.toThrow('item 3');
    expect(seen).toEqual([0, 1, 4]);
    expect(await all(inOrder([], slower, 5))).toEqual([]);
  });
});
