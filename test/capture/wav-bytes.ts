/** Builds WAV files byte by byte, right and wrong ones, for the tests of the reader. */

export interface WavParts {
  channels?: number;
  sampleRateHz?: number;
  bits: number;
  /** 1 = integer, 3 = float, 0xFFFE = extensible. */
  tag?: number;
  /** Sub-format inside an extensible header. */
  subTag?: number;
  data: Uint8Array;
  /** What the data chunk claims; default the truth. */
  statedSize?: number;
  /** Chunks before `data`, as raw bytes. */
  before?: Uint8Array[];
  after?: Uint8Array[];
  blockAlign?: number;
}

export function wavBytes(parts: WavParts): Uint8Array {
  const { channels = 1, sampleRateHz = 4000, bits, tag = 1, subTag = 1, data, before = [], after = [] } = parts;
  const extensible = tag === 0xfffe;
  const format = Buffer.alloc(extensible ? 40 : 16);
  format.writeUInt16LE(tag, 0);
  format.writeUInt16LE(channels, 2);
  format.writeUInt32LE(sampleRateHz, 4);
  const blockAlign = parts.blockAlign ?? channels * Math.ceil(bits / 8);
  format.writeUInt32LE(sampleRateHz * blockAlign, 8);
  format.writeUInt16LE(blockAlign, 12);
  format.writeUInt16LE(bits, 14);
  if (extensible) {
    format.writeUInt16LE(22, 16);
    format.writeUInt16LE(bits, 18);
    format.writeUInt16LE(subTag, 24);
    Buffer.from('000000001000800000aa00389b71', 'hex').copy(format, 26);
  }
  const body = Buffer.concat([Buffer.from('WAVE'), chunk('fmt ', format), ...before, chunk('data', data, parts.statedSize), ...after]);
  return Buffer.concat([Buffer.from('RIFF'), uint32(body.length), body]);
}

/** A chunk with its pad byte (left out when `pad` is false). */
export function chunk(id: string, data: Uint8Array, statedSize = data.length, pad = true): Uint8Array {
  return Buffer.concat([Buffer.from(id, 'latin1'), uint32(statedSize), data, Buffer.alloc(pad ? data.length % 2 : 0)]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function int16Bytes(values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, i) => bytes.writeInt16LE(value, i * 2));
  return bytes;
}
