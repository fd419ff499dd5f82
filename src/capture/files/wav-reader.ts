/**
 * Reads WAV: RIFF and RF64, 8/16/24/32-bit integers, 32/64-bit floats, WAVE_FORMAT_EXTENSIBLE.
 *
 * Written here rather than taken from npm since recordings in the field are cut off, and headers lie: a recorder that
 * lost power leaves a data size of 0 or 0xFFFFFFFF, a copied file ends early, writers forget the pad byte after an odd
 * chunk. Whatever sound such a file holds is read, and `warnings` says what was wrong.
 * Format: Microsoft/IBM "Multimedia Programming Interface 1.0" (1991) and its WAVEFORMATEXTENSIBLE and RF64 (EBU 3306)
 * extensions.
 */
import { captureError } from '../capture-error.js';
import type { DecodedAudio } from './decoded-audio.js';

const FORMAT_PCM = 1;
const FORMAT_FLOAT = 3;
const FORMAT_EXTENSIBLE = 0xfffe;
const UNKNOWN_SIZE = 0xffffffff;
const MAX_CHANNELS = 64;
const MAX_RATE_HZ = 1_000_000;
/** Chunks that may follow `data`; seen right after a data chunk of size 0, they prove that it really is empty. */
const TRAILING_CHUNKS = new Set(['LIST', 'id3 ', 'ID3 ', 'bext', 'cue ', 'fact', 'smpl', 'JUNK', 'PAD ', 'iXML', '_PMX', 'PEAK', 'afsp']);

interface Format {
  isFloat: boolean;
  bytesPerSample: number;
  channels: number;
  sampleRateHz: number;
}

interface Layout {
  format: Format | undefined;
  data: Uint8Array | undefined;
  warnings: string[];
}

/**
 * Decodes a whole WAV file.
 * @param name what to call the file in errors.
 * @throws StageError CAPTURE_FILE_CORRUPT (no usable header), CAPTURE_FILE_UNSUPPORTED (a codec inside WAV),
 *   CAPTURE_FILE_EMPTY (no samples).
 */
export function readWav(bytes: Uint8Array, name: string): DecodedAudio {
  const { format, data, warnings } = findChunks(bytes, name);
  if (format === undefined) throw corrupt(name, 'it has no format chunk');
  if (data === undefined) throw corrupt(name, 'it has no data chunk');
  const { channels, sampleRateHz, bytesPerSample } = format;
  const frameBytes = bytesPerSample * channels;
  const frames = Math.floor(data.length / frameBytes);
  if (frames === 0) {
    throw captureError('CAPTURE_FILE_EMPTY', { message: `${name} is a WAV file without samples`, remedy: 'Choose a file that holds sound.' });
  }
  if (data.length % frameBytes !== 0) warnings.push(`${data.length % frameBytes} bytes after the last whole sample were dropped`);
  const samples = toFloat(data.subarray(0, frames * frameBytes), format);
  return { samples, channels, sampleRateHz, format: 'wav', durationMs: (frames / sampleRateHz) * 1000, warnings };
}

function findChunks(bytes: Uint8Array, name: string): Layout {
  const view = viewOf(bytes);
  const layout: Layout = { format: undefined, data: undefined, warnings: [] };
  let dataSize64: number | undefined;
  let offset = 12;
  while (offset + 8 <= bytes.length) {
    const id = fourCc(bytes, offset);
    const size = view.getUint32(offset + 4, true);
    const body = offset + 8;
    if (id === 'fmt ') layout.format = readFormat(bytes.subarray(body, body + size), name);
    else if (id === 'ds64' && body + 16 <= bytes.length) dataSize64 = Number(view.getBigUint64(body + 8, true));
    else if (id === 'data') {
      const stated = size === UNKNOWN_SIZE && dataSize64 !== undefined ? dataSize64 : size;
      const length = dataLength(bytes, body, stated, layout.warnings);
      layout.data ??= bytes.subarray(body, body + length);
      offset = nextChunk(bytes, body + length);
      continue;
    }
    offset = nextChunk(bytes, body + size);
  }
  return layout;
}

/** How many bytes of sound really follow, when the header may lie about it. */
function dataLength(bytes: Uint8Array, body: number, stated: number, warnings: string[]): number {
  const rest = bytes.length - body;
  if (stated === 0 && rest > 0 && !TRAILING_CHUNKS.has(fourCc(bytes, body))) {
    warnings.push('the header states no data (an unfinished recording); everything after it was read as sound');
    return rest;
  }
  if (stated <= rest) return stated;
  const unknown = stated >= UNKNOWN_SIZE - 64;
  warnings.push(unknown ? 'the header leaves the length open' : `the header states ${stated} bytes of data, the file holds ${rest}`);
  return rest;
}

/** Chunks are padded to even length, except by writers that forget it: take the place where a chunk name can be read. */
function nextChunk(bytes: Uint8Array, end: number): number {
  if (end % 2 === 0) return end;
  return !looksLikeId(bytes, end + 1) && looksLikeId(bytes, end) ? end : end + 1;
}

function readFormat(chunk: Uint8Array, name: string): Format {
  if (chunk.length < 16) throw corrupt(name, `its format chunk has ${chunk.length} bytes instead of at least 16`);
  const view = viewOf(chunk);
  const channels = view.getUint16(2, true);
  const sampleRateHz = view.getUint32(4, true);
  const blockAlign = view.getUint16(12, true);
  const bits = view.getUint16(14, true);
  let tag = view.getUint16(0, true);
  // The sub-format GUID of EXTENSIBLE starts with the plain format tag.
  if (tag === FORMAT_EXTENSIBLE && chunk.length >= 26) tag = view.getUint16(24, true);
  if (channels < 1 || channels > MAX_CHANNELS) throw corrupt(name, `it states ${channels} channels (1 to ${MAX_CHANNELS} are possible)`);
  if (sampleRateHz < 1 || sampleRateHz > MAX_RATE_HZ) throw corrupt(name, `it states a rate of ${sampleRateHz} Hz (1 to ${MAX_RATE_HZ} are possible)`);
  const isFloat = tag === FORMAT_FLOAT;
  const bytesPerSample = containerBytes(bits, blockAlign / channels);
  const allowed = isFloat ? [4, 8] : [1, 2, 3, 4];
  if ((tag !== FORMAT_PCM && !isFloat) || !allowed.includes(bytesPerSample)) throw unsupportedCodec(name, tag, bits);
  return { isFloat, bytesPerSample, channels, sampleRateHz };
}

/** Samples sit left-justified in whole bytes; some writers put 24 bits into 4 bytes, which only blockAlign tells. */
function containerBytes(bits: number, blockAlignPerChannel: number): number {
  const least = Math.ceil(bits / 8);
  const wider = Number.isInteger(blockAlignPerChannel) && blockAlignPerChannel > least && blockAlignPerChannel <= 4;
  return wider ? blockAlignPerChannel : least;
}

function toFloat(data: Uint8Array, format: Format): Float32Array {
  const { isFloat, bytesPerSample } = format;
  const samples = new Float32Array(data.length / bytesPerSample);
  const view = viewOf(data);
  const n = samples.length;
  if (isFloat && bytesPerSample === 4) for (let i = 0; i < n; i++) samples[i] = view.getFloat32(i * 4, true);
  else if (isFloat) for (let i = 0; i < n; i++) samples[i] = view.getFloat64(i * 8, true);
  else if (bytesPerSample === 1) for (let i = 0; i < n; i++) samples[i] = (data[i]! - 128) / 128;
  else if (bytesPerSample === 2) for (let i = 0; i < n; i++) samples[i] = view.getInt16(i * 2, true) / 32768;
  else if (bytesPerSample === 3) for (let i = 0; i < n; i++) samples[i] = int24(data, i * 3) / 8388608;
  else for (let i = 0; i < n; i++) samples[i] = view.getInt32(i * 4, true) / 2147483648;
  return samples;
}

function int24(b: Uint8Array, at: number): number {
  return ((b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16)) << 8) >> 8;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function fourCc(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

function looksLikeId(bytes: Uint8Array, at: number): boolean {
  return at + 8 <= bytes.length && /^[A-Za-z0-9_ ]{4}$/.test(fourCc(bytes, at));
}

function corrupt(name: string, why: string) {
  return captureError('CAPTURE_FILE_CORRUPT', {
    message: `${name} is not a readable WAV file: ${why}`,
    remedy: 'Export or copy the recording again.',
  });
}

function unsupportedCodec(name: string, tag: number, bits: number) {
  return captureError('CAPTURE_FILE_UNSUPPORTED', {
    message: `${name} is WAV with codec 0x${tag.toString(16).padStart(4, '0')} at ${bits} bits; integers of 8 to 32 bits and floats of 32 or 64 bits are read`,
    remedy: 'Convert it, e.g. `sox in.wav -e signed-integer -b 16 out.wav`.',
  });
}
