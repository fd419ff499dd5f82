import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TailBuffer } from '../../src/features/tail-buffer.js';

describe('TailBuffer', () => {
  it('behaves like an endless array whose beginning may be forgotten', () => {
    const step = fc.record({ append: fc.integer({ min: 0, max: 60 }), forget: fc.integer({ min: 0, max: 60 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const buffer = new TailBuffer(16);
        const all: number[] = [];
        let oldest = 0;
        for (const { append, forget } of steps) {
          const values = Array.from({ length: append }, (_, i) => all.length + i);
          buffer.append(Float32Array.from(values));
          all.push(...values);
          oldest = Math.min(all.length, oldest + forget);
          buffer.discardBefore(oldest);
          expect(buffer.end).toBe(all.length);
          expect(Array.from(buffer.view(oldest, all.length))).toEqual(all.slice(oldest));
          const { values: store, origin } = buffer.store;
          for (let i = oldest; i < all.length; i++) expect(buffer.at(i) === i && store[origin + i] === i).toBe(true);
        }
      }),
    );
  });

  it('stays small when the beginning is forgotten', () => {
    const buffer = new TailBuffer(16);
    for (let i = 0; i < 10_000; i++) {
      buffer.append(new Float32Array(7));
      buffer.discardBefore(buffer.end - 30);
    }
    expect(buffer.store.values.length).toBeLessThan(400);
  });
});
