import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { StageError } from '../../src/common/stage-error.js';
import { decodeSafetensors, encodeSafetensors, readSafetensors, writeSafetensors } from '../../src/inference/safetensors.js';
import type { StateDict } from '../../src/inference/state-dict.js';

const folder = mkdtempSync(join(tmpdir(), 'safetensors-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tensors: StateDict = new Map([
  ['b', { shape: [2, 2], data: Float32Array.of(1, -2, 3.5, Math.fround(0.1)) }],
  ['a', { shape: [], data: Float32Array.of(7) }],
  ['empty', { shape: [0, 3], data: new Float32Array(0) }],
]);

/** A file of any header and body, for lies. */
function file(header: unknown, body: Uint8Array = new Uint8Array(0), headerBytes?: bigint): Uint8Array {
  const json = typeof header === 'string' ? header : JSON.stringify(header);
  const text = new TextEncoder().encode(json);
  const bytes = new Uint8Array(8 + text.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, headerBytes ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(body, 8 + text.length);
  return bytes;
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof StageError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'no error';
}

describe('safetensors', () => {
  it('gives back what was written, order and metadata too, data aligned to 8 bytes', () => {
    const bytes = encodeSafetensors(tensors, { metadata: { epoch: '3' } });
    expect(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8).toBe(0);
    const read = decodeSafetensors(bytes);
    expect([...read.tensors]).toEqual([...tensors]);
    expect(read.metadata).toEqual({ epoch: '3' });
  });

  it('reads from an unaligned slice of a larger buffer', () => {
    const bytes = encodeSafetensors(tensors);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect([...decodeSafetensors(shifted.subarray(3)).tensors]).toEqual([...tensors]);
  });

  it('reads F16 and BF16 as float32', () => {
    const half = decodeSafetensors(encodeSafetensors(tensors, { dtype: 'F16' })).tensors.get('b')!;
    expect([...half.data]).toEqual([1, -2, 3.5, 0.0999755859375]);
    const brain = decodeSafetensors(file({ x: { dtype: 'BF16', shape: [2], data_offsets: [0, 4] } }, Uint8Array.of(0x80, 0x3f, 0x49, 0xc0)));
    expect([...brain.tensors.get('x')!.data]).toEqual([1, -3.140625]);
  });

  it('leaves out whole numbers, such as the counters in torchvision’s and timm’s files', () => {
    const header = { 'bn1.num_batches_tracked': { dtype: 'I64', shape: [], data_offsets: [0, 8] }, x: { dtype: 'F32', shape: [1], data_offsets: [8, 12] } };
    expect([...decodeSafetensors(file(header, new Uint8Array(12))).tensors.keys()]).toEqual(['x']);
  });

  it('round-trips any float32 tensor bit by bit', () => {
    fc.assert(
      fc.property(fc.array(fc.float()), fc.string(), (values, name) => {
        fc.pre(name !== '__metadata__');
        const state: StateDict = new Map([[name, { shape: [values.length], data: Float32Array.from(values) }]]);
        expect([...decodeSafetensors(encodeSafetensors(state)).tensors]).toEqual([...state]);
      }),
    );
  });

  const entry = (over: object) => ({ x: { dtype: 'F32', shape: [1], data_offsets: [0, 4], ...over } });
  const four = new Uint8Array(4);
  it.each([
    ['too short', Uint8Array.of(1, 2, 3), /3 bytes/],
    ['header longer than the file', file(entry({}), four, 5000n), /claims a header of 5000/],
    ['header of 2⁶³ bytes', file(entry({}), four, 1n << 63n), /limit is 100000000/],
    ['not JSON', file('{"x":'), /not JSON/],
    ['not UTF-8', new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 0xff]), /not JSON/],
    ['not an object', file('[1]'), /not a JSON object/],
    ['metadata not strings', file({ __metadata__: { a: 1 } }), /__metadata__/],
    ['unknown dtype', file(entry({ dtype: 'F64' }), four), /dtype.*F64/],
    ['whole numbers with too few bytes', file(entry({ dtype: 'I64' }), four), /8 bytes, but claims 4/],
    ['negative size', file(entry({ shape: [-1] }), four), /shape/],
    ['offsets past the end', file(entry({ shape: [2], data_offsets: [0, 8] }), four), /claims bytes 0…8, the file holds 4/],
    ['offsets backwards', file(entry({ data_offsets: [4, 0] }), four), /claims bytes 4…0/],
    ['shape against offsets', file(entry({ shape: [1000000000, 1000000000] }), four), /but claims 4/],
    ['overlap', file({ ...entry({}), y: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }, four), /overlaps and holes/],
    ['hole', file(entry({ data_offsets: [4, 8] }), new Uint8Array(8)), /overlaps and holes/],
    ['unclaimed bytes', file(entry({}), new Uint8Array(9)), /9 bytes of tensor data, its tensors cover 4/],
  ])('refuses a file that is: %s', (_what, bytes, message) => {
    const thrown = codeOf(() => decodeSafetensors(bytes));
    expect(thrown).toMatch(/^INFERENCE_SAFETENSORS_INVALID: /);
    expect(thrown).toMatch(message);
  });

  it('answers any damage with its error or with tensors, never with anything else', () => {
    const good = encodeSafetensors(tensors);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, length) => {
        const bytes = good.slice(0, length);
        if (at < length) bytes[at] = value;
        expect(codeOf(() => decodeSafetensors(bytes))).toMatch(/^(no error$|INFERENCE_SAFETENSORS_INVALID)/);
      }),
      { numRuns: 1000 },
    );
  });

  it('writes files whole and names a missing one', async () => {
    const path = join(folder, 'weights.safetensors');
    await writeSafetensors(path, tensors);
    expect([...(await readSafetensors(path)).tensors]).toEqual([...tensors]);
    expect(readdirSync(folder)).toEqual(['weights.safetensors']);
    await expect(readSafetensors(join(folder, 'none'))).rejects.toMatchObject({ code: 'INFERENCE_FILE_MISSING' });
  });
});
