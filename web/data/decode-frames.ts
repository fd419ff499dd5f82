/** A `frames` message → numbers for drawing, or the reason why it can't be drawn. */
import type { Frames } from '../../src/protocol/messages.js';

/** Decoded display data of one message. Buffers belong to the receiver. */
export interface DecodedFrames {
  streamId: string;
  /** Sample on which the first column is centred. */
  startSample: number;
  sampleRateHz: number;
  nMels: number;
  columns: number;
  /** columns × nMels decibels, column-major. */
  melDb: Float32Array;
  waveStartSample: number;
  samplesPerPair: number;
  /** min, max, min, max …, ±1. */
  pairs: Float32Array;
}

/** More than any screen shows; beyond it the message is refused rather than allocated for. */
const MAX_BYTES = 1 << 20;

/** Base64 → bytes. Throws when the text is not base64. */
export function base64ToBytes(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Throws an Error that says what is wrong with the message. */
export function decodeFrames(message: Frames): DecodedFrames {
  const { nMels, columns, minDb, maxDb, waveform } = message;
  const expected = nMels * columns;
  if (!(expected > 0) || expected > MAX_BYTES) throw new Error(`frames of ${String(columns)} × ${String(nMels)} values`);
  if (!(message.sampleRateHz > 0)) throw new Error(`frames at ${String(message.sampleRateHz)} Hz`);
  if (!(maxDb > minDb)) throw new Error(`frames from ${String(minDb)} to ${String(maxDb)} dB`);
  if (waveform.pairs.length % 2 !== 0 || waveform.pairs.length > MAX_BYTES) {
    throw new Error(`waveform of ${String(waveform.pairs.length)} values, which are not pairs`);
  }
  const bytes = base64ToBytes(message.melDb);
  if (bytes.length !== expected) throw new Error(`frames hold ${String(bytes.length)} bytes, not ${String(expected)}`);
  return {
    streamId: message.streamId,
    startSample: message.startSample,
    sampleRateHz: message.sampleRateHz,
    nMels,
    columns,
    melDb: Float32Array.from(bytes, (byte) => minDb + ((maxDb - minDb) * byte) / 255),
    waveStartSample: waveform.startSample,
    samplesPerPair: waveform.samplesPerPair,
    pairs: Float32Array.from(waveform.pairs),
  };
}
