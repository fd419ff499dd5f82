/**
 * What the child process sends to its parent over a pipe: frames of a 24-byte header and a payload, little-endian.
 *
 *   0  u32  length of the payload in bytes
 *   4  u32  kind: 1 = PCM, 2 = JSON
 *   8  f64  PCM: monotonic time (process.hrtime, the same clock in both processes) at which it was read, ms
 *  16  u32  PCM: samples per channel that were lost just before this frame
 *  20  u32  PCM: 1 = PortAudio reported an overrun of unknown length just before this frame
 */
import type { Device } from './devices.js';

export const HEADER_BYTES = 24;
const KIND_PCM = 1;
const KIND_JSON = 2;
/** Far above anything the child sends; a larger length means that the stream is out of step. */
const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;

/** What the child is asked to do; its only argument, as JSON. */
export type Request =
  | { kind: 'list' }
  | { kind: 'capture'; device?: string; sampleRateHz?: number; channels?: number; chunkMs: number; maxBacklogMs: number };

export type SampleFormat = 'float32' | 'int16';

/** Messages from the child other than sound. */
export type Reply =
  | { kind: 'devices'; devices: Device[] }
  | { kind: 'opened'; device: Device; sampleRateHz: number; channels: number; format: SampleFormat }
  | { kind: 'error'; code: `CAPTURE_${string}`; message: string; remedy: string; retryable: boolean };

export interface PcmFrame {
  kind: 'pcm';
  /** Interleaved samples in the format of the `opened` message. Valid until the next call of the parser. */
  payload: Buffer;
  readAtMs: number;
  lostFrames: number;
  overrun: boolean;
}

export function encodePcm(payload: Buffer, readAtMs: number, lostFrames: number, overrun: boolean): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  writeHeader(frame, payload.length, KIND_PCM, readAtMs, lostFrames, overrun ? 1 : 0);
  payload.copy(frame, HEADER_BYTES);
  return frame;
}

export function encodeReply(reply: Reply): Buffer {
  const payload = Buffer.from(JSON.stringify(reply));
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  writeHeader(header, payload.length, KIND_JSON, 0, 0, 0);
  return Buffer.concat([header, payload]);
}

function writeHeader(to: Buffer, length: number, kind: number, timeMs: number, lost: number, flags: number): void {
  to.writeUInt32LE(length, 0);
  to.writeUInt32LE(kind, 4);
  to.writeDoubleLE(timeMs, 8);
  to.writeUInt32LE(Math.min(lost, 0xffffffff), 16);
  to.writeUInt32LE(flags, 20);
}

/** Puts frames together again from pieces of any size. */
export class FrameParser {
  #rest: Buffer = Buffer.alloc(0);

  /** @throws Error when the bytes cannot be frames. */
  *push(piece: Buffer): Generator<PcmFrame | Reply> {
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    while (this.#rest.length >= HEADER_BYTES) {
      const length = this.#rest.readUInt32LE(0);
      if (length > MAX_PAYLOAD_BYTES) throw new Error(`a frame of ${length} bytes (limit ${MAX_PAYLOAD_BYTES})`);
      const end = HEADER_BYTES + length;
      if (this.#rest.length < end) return;
      const frame = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(end);
      yield parse(frame);
    }
  }
}

function parse(frame: Buffer): PcmFrame | Reply {
  const payload = frame.subarray(HEADER_BYTES);
  const kind = frame.readUInt32LE(4);
  if (kind === KIND_JSON) return JSON.parse(payload.toString()) as Reply;
  if (kind !== KIND_PCM) throw new Error(`a frame of kind ${kind}`);
  return {
    kind: 'pcm',
    payload,
    readAtMs: frame.readDoubleLE(8),
    lostFrames: frame.readUInt32LE(16),
    overrun: frame.readUInt32LE(20) === 1,
  };
}
