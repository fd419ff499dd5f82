/** The one wall clock: UTC from a monotonic anchor, so that a step of the system's clock never runs time backwards. */

/** UTC now in ms, with fractions; never decreases within a process. */
export function utcNowMs(): number {
  return performance.timeOrigin + performance.now();
}
