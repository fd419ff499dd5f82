/** Reads numpy's .npy files (version 1, little-endian float32 or float64, C order), for golden values. */
import { readFileSync } from 'node:fs';

export interface Npy {
  shape: number[];
  data: Float32Array;
}

export function readNpy(path: string): Npy {
  const bytes = readFileSync(path);
  if (bytes.subarray(1, 6).toString('latin1') !== 'NUMPY' || bytes[6] !== 1) throw new Error(`${path} is no .npy file of version 1`);
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.subarray(10, start).toString('latin1');
  if (header.includes("'fortran_order': True")) throw new Error(`${path} is in Fortran order`);
  const shape = /'shape': \(([^)]*)\)/.exec(header)![1]!.split(',').filter((x) => x.trim() !== '').map(Number);
  const body = bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length);
  if (header.includes("'<f4'")) return { shape, data: new Float32Array(body) };
  if (header.includes("'<f8'")) return { shape, data: Float32Array.from(new Float64Array(body)) };
  throw new Error(`${path}: unknown type in ${header}`);
}
