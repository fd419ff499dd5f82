/** The one wall clock: UTC from a monotonic anchor, so that a step of the system's clock never runs time backwards. */

/** Gives UTC time in ms (fractional). Injectable wherever a source stamps chunks, so that tests can hold time still. */
export type UtcNow = () => number;

/** The default clock: the wall clock read once at start-up, advanced by the monotonic one. */
export const utcNow: UtcNow = () => performance.timeOrigin + performance.now();
