/**
 * Splits a FLAC file into its frames, for a decoder that wants them one by one.
 *
 * The decoder's own splitter loses the last frame when its bytes happen to look like the start of another (seen in 1 of
 * 5025 recordings). Here a frame ends where the next valid header begins AND the frame's CRC-16 comes out as 0, or at
 * the end of the file. Format: RFC 9639.
 */

/** From the STREAMINFO block, RFC 9639 §8.2. */
export interface StreamInfo {
  sampleRateHz: number;
  channels: number;
  bitsPerSample: number;
  /** 0 = unknown. */
  totalSamples: number;
}

export interface FlacFrames {
  info: StreamInfo;
  /** Views into the file, in order. */
  frames: Uint8Array[];
  /** Frames whose checksum is wrong. */
  damaged: number;
}

/** A frame cannot be shorter than its header, one subframe and the footer. */
const MIN_FRAME_BYTES = 10;

/**
 * @param bytes the file, starting with `fLaC`.
 * @throws Error when the metadata does not lead to a frame.
 */
export function splitFlac(bytes: Uint8Array): FlacFrames {
  const { info, end } = readMetadata(bytes);
  const frames: Uint8Array[] = [];
  let damaged = 0;
  let start = nextHeader(bytes, end);
  while (start < bytes.length) {
    const { stop, sound } = frameEnd(bytes, start);
    if (!sound) damaged++;
    frames.push(bytes.subarray(start, stop));
    start = nextHeader(bytes, stop);
  }
  if (frames.length === 0) throw new Error('no audio frame follows its metadata');
  return { info, frames, damaged };
}

function readMetadata(bytes: Uint8Array): { info: StreamInfo; end: number } {
  let info: StreamInfo | undefined;
  let at = 4;
  for (let last = false; !last; ) {
    if (at + 4 > bytes.length) throw new Error('it ends within its metadata');
    last = bytes[at]! >= 128;
    const type = bytes[at]! & 127;
    const length = (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (type === 0 && length >= 34 && at + 4 + length <= bytes.length) info = readStreamInfo(bytes.subarray(at + 4));
    at += 4 + length;
  }
  if (info === undefined) throw new Error('it has no STREAMINFO block');
  return { info, end: at };
}

function readStreamInfo(b: Uint8Array): StreamInfo {
  return {
    sampleRateHz: (b[10]! << 12) | (b[11]! << 4) | (b[12]! >> 4),
    channels: ((b[12]! >> 1) & 7) + 1,
    bitsPerSample: (((b[12]! & 1) << 4) | (b[13]! >> 4)) + 1,
    totalSamples: (b[13]! & 15) * 2 ** 32 + b[14]! * 2 ** 24 + b[15]! * 2 ** 16 + b[16]! * 2 ** 8 + b[17]!,
  };
}

/** Where the frame that starts at `start` ends, and whether its checksum agrees. */
function frameEnd(bytes: Uint8Array, start: number): { stop: number; sound: boolean } {
  let crc = 0;
  // Should no checksum agree, the frame is damaged and the next header of the same stream is taken as its end.
  let fallback = bytes.length;
  for (let i = start; i < bytes.length; i++) {
    if (i >= start + MIN_FRAME_BYTES && isHeader(bytes, i)) {
      if (crc === 0) return { stop: i, sound: true };
      if (fallback === bytes.length && bytes[i + 1] === bytes[start + 1] && (bytes[i + 3]! & 15) === (bytes[start + 3]! & 15)) fallback = i;
    }
    crc = ((crc << 8) & 0xffff) ^ CRC16[(crc >> 8) ^ bytes[i]!]!;
  }
  return crc === 0 ? { stop: bytes.length, sound: true } : { stop: fallback, sound: false };
}

function nextHeader(bytes: Uint8Array, from: number): number {
  for (let i = from; i < bytes.length; i++) if (isHeader(bytes, i)) return i;
  return bytes.length;
}

/** A frame header starts here: sync code, no reserved value, CRC-8 in order (RFC 9639 §9.1). */
function isHeader(bytes: Uint8Array, at: number): boolean {
  if (bytes[at] !== 0xff || (bytes[at + 1]! & 0xfe) !== 0xf8) return false;
  const blockSize = bytes[at + 2]! >> 4;
  const rate = bytes[at + 2]! & 15;
  if (blockSize === 0 || rate === 15 || bytes[at + 3]! >> 4 > 10 || (bytes[at + 3]! & 1) === 1) return false;
  const number = codedNumberBytes(bytes[at + 4]);
  if (number === 0) return false;
  const blockSizeBytes = blockSize === 6 ? 1 : blockSize === 7 ? 2 : 0;
  const rateBytes = rate === 12 ? 1 : rate > 12 ? 2 : 0;
  const crcAt = at + 4 + number + blockSizeBytes + rateBytes;
  if (crcAt >= bytes.length) return false;
  let crc = 0;
  for (let i = at; i < crcAt; i++) crc = CRC8[crc ^ bytes[i]!]!;
  return crc === bytes[crcAt];
}

/** Length of the UTF-8-like frame or sample number, by its first byte; 0 = impossible. */
function codedNumberBytes(first: number | undefined): number {
  if (first === undefined || first === 0xff) return 0;
  const ones = Math.clz32(~(first << 24));
  return ones === 0 ? 1 : ones === 1 ? 0 : ones;
}

/** CRC-8, polynomial x⁸+x²+x+1, and CRC-16, polynomial x¹⁶+x¹⁵+x²+1; both start at 0. */
const CRC8 = crcTable(8, 0x07);
const CRC16 = crcTable(16, 0x8005);

function crcTable(bits: number, polynomial: number): Uint16Array {
  const top = 1 << (bits - 1);
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << (bits - 8);
    for (let i = 0; i < 8; i++) crc = (crc & top) !== 0 ? (crc << 1) ^ polynomial : crc << 1;
    return crc & (2 * top - 1);
  });
}
