/**
 * Checks the pages of an Ogg file before a decoder sees it. The decoders pad a last page that was cut off with packets
 * of nothing, which come out as seconds of sound that nobody recorded; and none of them says that a page is damaged.
 * Format: RFC 3533.
 */
import { startsWith } from './sniff.js';

export interface OggPages {
  /** The file without a last page that is not whole. */
  bytes: Uint8Array;
  /** What is wrong, in words; empty when nothing is. */
  faults: string[];
}

const HEADER_BYTES = 27;
const CHECKSUM_AT = 22;

/** @param file the whole file, starting with `OggS`. */
export function wholeOggPages(file: Uint8Array): OggPages {
  let damaged = 0;
  let at = 0;
  while (at < file.length) {
    const length = startsWith(file.subarray(at), 'OggS') ? pageLength(file, at) : undefined;
    if (length === undefined) {
      damaged += 1;
      at = nextPage(file, at + 1);
    } else if (at + length > file.length) break;
    else {
      if (!checksumRight(file.subarray(at, at + length))) damaged += 1;
      at += length;
    }
  }
  const cut = file.length - at;
  return {
    bytes: cut > 0 ? file.subarray(0, at) : file,
    faults: [
      ...(damaged > 0 ? [`${damaged} Ogg pages are damaged`] : []),
      ...(cut > 0 ? [`the file ends within an Ogg page, ${cut} bytes of it were left out`] : []),
    ],
  };
}

/** Header, table of segments and what they state; more than is there when the file ends before. Undefined for an unknown version. */
function pageLength(file: Uint8Array, at: number): number | undefined {
  if (at + HEADER_BYTES > file.length) return HEADER_BYTES;
  if (file[at + 4] !== 0) return undefined;
  const segments = file[at + 26]!;
  const table = file.subarray(at + HEADER_BYTES, at + HEADER_BYTES + segments);
  return table.reduce((sum, bytes) => sum + bytes, HEADER_BYTES + segments);
}

function nextPage(file: Uint8Array, from: number): number {
  for (let at = file.indexOf(0x4f, from); at >= 0; at = file.indexOf(0x4f, at + 1)) if (startsWith(file.subarray(at), 'OggS')) return at;
  return file.length;
}

/** CRC-32 with polynomial 0x04c11db7, not reflected, from 0, over the page with its checksum field as zeros (RFC 3533 §6). */
function checksumRight(page: Uint8Array): boolean {
  let crc = 0;
  for (let i = 0; i < page.length; i++) {
    const byte = i >= CHECKSUM_AT && i < CHECKSUM_AT + 4 ? 0 : page[i]!;
    crc = ((crc << 8) ^ CRC[(crc >>> 24) ^ byte]!) >>> 0;
  }
  return crc === new DataView(page.buffer, page.byteOffset).getUint32(CHECKSUM_AT, true);
}

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});
