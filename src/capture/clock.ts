/** UTC time that never jumps: the wall clock read once at start-up, advanced by the monotonic clock. */

/** Gives UTC time in ms (fractional). Injectable wherever a source stamps chunks, so that tests can hold time still. */
export type UtcNow = () => number;

/** The default clock: `performance.timeOrigin + performance.now()`; steps of the system clock do not reach it. */
export const utcNow: UtcNow = () => performance.timeOrigin + performance.now();
