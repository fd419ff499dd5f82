/** Discriminative learning rates: what was learnt elsewhere moves less than the head, as in fastai's `slice(low, high)`. */

/**
 * Multipliers of the peak rate for three groups, geometrically spaced: stem to layer2, layer3 and layer4, the heads (fc, frames, phase).
 * @param lowest multiplier of the first group, e.g. 0.01; the heads have 1.
 * @returns the multiplier of a parameter by its torchvision name.
 */
export function discriminativeRates(lowest: number): (name: string) => number {
  return (name) => {
    if (/^(fc|frames|phase)\./.test(name)) return 1;
    return /^layer[34]\./.test(name) ? Math.sqrt(lowest) : lowest;
  };
}
