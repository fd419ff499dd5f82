/** Signals that are the same in every run, by a tiny linear congruential generator (Numerical Recipes). */

/** Next state of the generator; scripts/make-goldens.py has the same. */
export function nextState(state: number): number {
  return (Math.imul(state, 1664525) + 1013904223) >>> 0;
}

/** Uniform noise in ±0.5. */
export function noise(length: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => (state = nextState(state)) / 2 ** 32 - 0.5);
}
