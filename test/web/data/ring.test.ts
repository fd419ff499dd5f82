import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ring } from '../../../web/data/ring.js';

const column = (value: number, width: number) => new Array<number>(width).fill(value);

describe('ring', () => {
  it('holds the newest slots whatever the sizes of writes and holes', () => {
    const writes = fc.array(fc.record({ skip: fc.nat(5), count: fc.integer({ min: 1, max: 9 }) }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 3 }), fc.nat(50), writes, (capacity, width, first, steps) => {
        const ring = new Ring(capacity, width);
        const truth = new Map<number, number>();
        let slot = first;
        for (const { skip, count } of steps) {
          slot += skip;
          const data = Float32Array.from({ length: count }, (_, i) => slot + i).map((x) => x);
          for (let i = 0; i < count; i += 1) truth.set(slot + i, slot + i);
          expect(ring.write(slot, Float32Array.from([...data].flatMap((value) => column(value, width))))).toBe(false);
          slot += count;
        }
        expect(ring.end).toBe(slot);
        for (let at = 0; at < slot + 3; at += 1) {
          const kept = at >= slot - capacity && at < slot;
          for (let offset = 0; offset < width; offset += 1) {
            expect(ring.at(at, offset)).toBe(kept ? (truth.get(at) ?? Number.NaN) : Number.NaN);
          }
        }
      }),
    );
  });

  it('forgets everything when the stream counts anew', () => {
    const ring = new Ring(10, 1);
    ring.write(100, Float32Array.from([1, 2, 3]));
    expect(ring.write(0, Float32Array.from([7]))).toBe(true);
    expect([ring.start, ring.end, ring.at(0), ring.at(101)]).toEqual([0, 1, 7, Number.NaN]);
  });

  it('takes an overlapping write for what it is', () => {
    const ring = new Ring(10, 1);
    ring.write(5, Float32Array.from([1, 2, 3]));
    expect(ring.write(7, Float32Array.from([8, 9]))).toBe(false);
    expect([5, 6, 7, 8].map((slot) => ring.at(slot))).toEqual([1, 2, 8, 9]);
  });

  it('is independent of its clone', () => {
    const ring = new Ring(4, 1);
    ring.write(0, Float32Array.from([1, 2]));
    const frozen = ring.clone();
    ring.write(2, Float32Array.from([3, 4, 5]));
    expect([frozen.end, frozen.at(0), frozen.at(2)]).toEqual([2, 1, Number.NaN]);
    expect([ring.end, ring.at(0), ring.at(4)]).toEqual([5, Number.NaN, 5]);
  });

  it('never goes beyond its memory for a jump or an oversized write', () => {
    const ring = new Ring(4, 1);
    ring.write(0, Float32Array.from([1]));
    ring.write(2 ** 40, Float32Array.from([5]));
    expect([ring.at(2 ** 40), ring.at(2 ** 40 - 1)]).toEqual([5, Number.NaN]);
    ring.write(2 ** 40 + 1, Float32Array.from({ length: 100 }, (_, i) => i));
    expect(ring.at(2 ** 40 + 100)).toBe(99);
    expect(ring.at(2 ** 40 + 97)).toBe(96);
    expect(ring.at(2 ** 40 + 96)).toBe(Number.NaN);
  });
});
