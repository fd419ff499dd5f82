/** Recognises an audio file by its first bytes; names and extensions are never looked at. */
import type { AudioFormat } from './decoded-audio.js';

/** The formats this program reads, as shown to users. */
export const KNOWN_FORMATS = 'WAV, FLAC, MP3, Ogg Vorbis, Ogg Opus, Ogg FLAC';

/** The format of `bytes`, or undefined when it is none of ours. */
export function sniffFormat(bytes: Uint8Array): AudioFormat | undefined {
  const start = skipId3(bytes);
  const head = bytes.subarray(start);
  if (startsWith(head, 'RIFF') || startsWith(head, 'RF64')) return startsWith(head.subarray(8), 'WAVE') ? 'wav' : undefined;
  if (startsWith(head, 'fLaC')) return 'flac';
  if (startsWith(head, 'OggS')) return sniffOgg(head);
  if (start > 0 || isMp3Frame(head)) return 'mp3';
  return undefined;
}

/** First bytes as hex and text, for an error message. */
export function describeBytes(bytes: Uint8Array): string {
  const head = bytes.subarray(0, 8);
  const hex = Array.from(head, (b) => b.toString(16).padStart(2, '0')).join(' ');
  const text = Array.from(head, (b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : '.')).join('');
  return `${hex} ("${text}")`;
}

export function startsWith(bytes: Uint8Array, text: string): boolean {
  if (bytes.length < text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[i] !== text.charCodeAt(i)) return false;
  return true;
}

/** Offset after an ID3v2 tag (which precedes MP3, and by mistake FLAC), 0 where there is none. */
export function skipId3(bytes: Uint8Array): number {
  if (!startsWith(bytes, 'ID3') || bytes.length < 10) return 0;
  const size = (bytes[6]! & 127) * 2 ** 21 + (bytes[7]! & 127) * 2 ** 14 + (bytes[8]! & 127) * 2 ** 7 + (bytes[9]! & 127);
  return Math.min(bytes.length, 10 + size);
}

/** The codec's own magic is the first packet, right after the first page's segment table. */
function sniffOgg(page: Uint8Array): AudioFormat | undefined {
  const packet = page.subarray(27 + (page[26] ?? 0));
  if (startsWith(packet, 'OpusHead')) return 'ogg-opus';
  if (startsWith(packet, '\x01vorbis')) return 'ogg-vorbis';
  if (startsWith(packet, '\x7fFLAC')) return 'ogg-flac';
  return undefined;
}

/** Two MPEG audio headers at the distance the first one states (one 11-bit sync alone would match too much). */
function isMp3Frame(bytes: Uint8Array): boolean {
  const length = mp3FrameLength(bytes);
  if (length === undefined) return false;
  // A file that ends within its first frame cannot be checked further.
  return bytes.length < length + 4 || mp3FrameLength(bytes.subarray(length)) !== undefined;
}

const BITRATES_V1 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const BITRATES_V2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const RATES_HZ = [44100, 48000, 32000];

/** Length in bytes of the MPEG-1/2/2.5 Layer III frame that starts here (ISO 11172-3, 13818-3), or undefined. */
function mp3FrameLength(b: Uint8Array): number | undefined {
  if (b.length < 4 || b[0] !== 0xff || (b[1]! & 0xe0) !== 0xe0) return undefined;
  const version = (b[1]! >> 3) & 3;
  const layer = (b[1]! >> 1) & 3;
  const rate = RATES_HZ[(b[2]! >> 2) & 3];
  const kbps = (version === 3 ? BITRATES_V1 : BITRATES_V2)[b[2]! >> 4];
  if (version === 1 || layer !== 1 || rate === undefined || !kbps) return undefined;
  const rateHz = version === 3 ? rate : version === 2 ? rate / 2 : rate / 4;
  return Math.floor(((version === 3 ? 144 : 72) * kbps * 1000) / rateHz) + ((b[2]! >> 1) & 1);
}
