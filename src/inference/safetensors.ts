/**
 * The safetensors file format: u64 header length (little-endian), JSON header, tensor bytes.
 * Specification: https://github.com/huggingface/safetensors (README, "Format"). Reads F32, F16 and BF16 as float32;
 * writes F32 or F16. Whole numbers (PyTorch's `num_batches_tracked` counters in torchvision's and timm's files) are no
 * weights: they are checked like the rest and left out. Every number in a header is checked against the bytes that are really there before it is used.
 */
import { open, readFile, rename, unlink } from 'node:fs/promises';
import { Type, type Static } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { fromBfloat16, fromFloat16, packFloat16 } from './float16.js';
import { inferenceError } from './inference-error.js';
import { elementCount, type StateDict, type Tensor } from './state-dict.js';

/** Limit of the reference implementation, in bytes. */
const MAX_HEADER_BYTES = 100_000_000;
const BYTES_OF = { F32: 4, F16: 2, BF16: 2, BOOL: 1, U8: 1, I8: 1, U16: 2, I16: 2, U32: 4, I32: 4, U64: 8, I64: 8 } as const;
/** Those that hold weights. */
const FLOATS = new Set<keyof typeof BYTES_OF>(['F32', 'F16', 'BF16']);

const Entry = Type.Object({
  dtype: Type.Union((Object.keys(BYTES_OF) as (keyof typeof BYTES_OF)[]).map((name) => Type.Literal(name))),
  shape: Type.Array(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  data_offsets: Type.Tuple([Type.Integer({ minimum: 0 }), Type.Integer({ minimum: 0 })]),
});
type Entry = Static<typeof Entry>;

export interface SafetensorsFile {
  tensors: StateDict;
  /** The header's `__metadata__`: strings by name. */
  metadata: Record<string, string>;
}

export interface SafetensorsOptions {
  /** How values are stored; default F32. */
  dtype?: 'F32' | 'F16';
  metadata?: Record<string, string>;
}

/**
 * Reads a file's bytes. The result shares no memory with `bytes`.
 * @throws StageError INFERENCE_SAFETENSORS_INVALID: truncated, lying or malformed header, other dtypes, overlaps or holes.
 */
export function decodeSafetensors(bytes: Uint8Array, source = 'safetensors data'): SafetensorsFile {
  const { header, body } = splitFile(bytes, source);
  const metadata = readMetadata(header['__metadata__'], source);
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__').map(([name, entry]) => ({ name, entry: checkEntry(name, entry, body, source) }));
  checkCoverage(entries, body.length, source);
  const tensors: StateDict = new Map();
  for (const { name, entry } of entries) if (FLOATS.has(entry.dtype)) tensors.set(name, readTensor(entry, body));
  return { tensors, metadata };
}

/** Reads and decodes a file; a missing one throws INFERENCE_FILE_MISSING. */
export async function readSafetensors(file: string): Promise<SafetensorsFile> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw inferenceError('INFERENCE_FILE_MISSING', `cannot read ${file}: ${(cause as Error).message}`, 'Give the path of an existing safetensors file.', { cause });
  }
  return decodeSafetensors(bytes, file);
}

/** The bytes of a file that holds `tensors` in their order, its tensor data starting at a multiple of 8. */
export function encodeSafetensors(tensors: StateDict, { dtype = 'F32', metadata }: SafetensorsOptions = {}): Uint8Array {
  const header = Object.create(null) as Record<string, unknown>;
  if (metadata !== undefined) header['__metadata__'] = metadata;
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    const end = offset + data.length * BYTES_OF[dtype];
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + offset).fill(0x20, 8, 8 + headerBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(json, 8);
  let at = 8 + headerBytes;
  for (const { data } of tensors.values()) {
    const packed = dtype === 'F16' ? packFloat16(data) : packFloat32(data);
    file.set(packed, at);
    at += packed.length;
  }
  return file;
}

/** Writes a file so that a crash leaves either the old one or the new one, never a part. */
export async function writeSafetensors(file: string, tensors: StateDict, options: SafetensorsOptions = {}): Promise<void> {
  const partial = `${file}.${process.pid}.partial`;
  const handle = await open(partial, 'w');
  try {
    await handle.writeFile(encodeSafetensors(tensors, options));
    await handle.sync();
  } catch (error) {
    await handle.close();
    await unlink(partial).catch(() => undefined);
    throw error;
  }
  await handle.close();
  await rename(partial, file);
}

function splitFile(bytes: Uint8Array, source: string): { header: Record<string, unknown>; body: Uint8Array } {
  if (bytes.length < 8) throw invalid(`${source} has ${bytes.length} bytes, a safetensors file has at least 8`);
  const claimed = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true);
  if (claimed > BigInt(MAX_HEADER_BYTES)) throw invalid(`${source} claims a header of ${claimed} bytes, the limit is ${MAX_HEADER_BYTES}`);
  const headerBytes = Number(claimed);
  if (headerBytes > bytes.length - 8) throw invalid(`${source} claims a header of ${headerBytes} bytes, only ${bytes.length - 8} follow`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + headerBytes)));
  } catch (cause) {
    throw invalid(`the header of ${source} is not JSON: ${(cause as Error).message}`, cause);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw invalid(`the header of ${source} is not a JSON object`);
  return { header: header as Record<string, unknown>, body: bytes.subarray(8 + headerBytes) };
}

function readMetadata(value: unknown, source: string): Record<string, string> {
  if (value === undefined) return {};
  const strings = Type.Record(Type.String(), Type.String());
  if (!Value.Check(strings, value)) throw invalid(`__metadata__ of ${source} is ${JSON.stringify(value)?.slice(0, 80)}, expected strings by name`);
  return value;
}

function checkEntry(name: string, value: unknown, body: Uint8Array, source: string): Entry {
  const where = `tensor ${JSON.stringify(name)} of ${source}`;
  if (!Value.Check(Entry, value)) {
    const first = Value.Errors(Entry, value).First();
    throw invalid(`${where}: ${first?.path ?? ''} is ${JSON.stringify(first?.value)?.slice(0, 80)}: ${first?.message ?? 'malformed'} (weights are readable as F32, F16 or BF16)`);
  }
  const [start, end] = value.data_offsets;
  const needed = elementCount(value.shape) * BYTES_OF[value.dtype];
  if (end < start || end > body.length) throw invalid(`${where} claims bytes ${start}…${end}, the file holds ${body.length} bytes of tensor data`);
  if (end - start !== needed) throw invalid(`${where} has shape [${value.shape.join(', ')}] of ${value.dtype} = ${needed} bytes, but claims ${end - start}`);
  return value;
}

/** The format allows neither overlaps nor holes. */
function checkCoverage(entries: { name: string; entry: Entry }[], bodyBytes: number, source: string): void {
  let covered = 0;
  const inOrder = entries.toSorted((a, b) => a.entry.data_offsets[0] - b.entry.data_offsets[0] || a.entry.data_offsets[1] - b.entry.data_offsets[1]);
  for (const { name, entry } of inOrder) {
    const [start, end] = entry.data_offsets;
    if (start !== covered) throw invalid(`tensor ${JSON.stringify(name)} of ${source} starts at byte ${start}, the one before ends at ${covered}: overlaps and holes are not allowed`);
    covered = end;
  }
  if (covered !== bodyBytes) throw invalid(`${source} holds ${bodyBytes} bytes of tensor data, its tensors cover ${covered}`);
}

function readTensor({ dtype, shape, data_offsets: [start, end] }: Entry, body: Uint8Array): Tensor {
  const view = new DataView(body.buffer, body.byteOffset + start, end - start);
  const data = new Float32Array((end - start) / BYTES_OF[dtype]);
  if (dtype === 'F32') for (let i = 0; i < data.length; i++) data[i] = view.getFloat32(4 * i, true);
  else {
    const widen = dtype === 'F16' ? fromFloat16 : fromBfloat16;
    for (let i = 0; i < data.length; i++) data[i] = widen(view.getUint16(2 * i, true));
  }
  return { shape: [...shape], data };
}

/** Little-endian bytes of float32 values, on any machine. */
export function packFloat32(values: Float32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return new Uint8Array(view.buffer);
}

function invalid(message: string, cause?: unknown) {
  return inferenceError('INFERENCE_SAFETENSORS_INVALID', message, 'The file is damaged or not a float32/float16/bfloat16 safetensors file: fetch or export it again.', { cause });
}
