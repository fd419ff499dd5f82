/** Power → decibels: `librosa.power_to_db`. */
import { validateDbParams } from './params.js';
import type { DbParams } from './types.js';

/**
 * 10·log10(max(amin, S)) − 10·log10(max(amin, ref)), floored at its maximum − topDb.
 *
 * @returns an array like `power`. Throws FEATURES_PARAM_INVALID.
 */
export function powerToDb(power: Float32Array, { amin, ref, topDb }: DbParams): Float32Array {
  validateDbParams({ amin, ref, topDb });
  const largest = power.reduce((max, x) => (x > max ? x : max), 0);
  const refDb = 10 * Math.log10(Math.max(amin, ref === 'max' ? largest : ref));
  const maxDb = 10 * Math.log10(Math.max(amin, largest)) - refDb;
  const floorDb = topDb === null ? -Infinity : maxDb - topDb;
  return power.map((x) => Math.max(floorDb, 10 * Math.log10(Math.max(amin, x)) - refDb));
}
