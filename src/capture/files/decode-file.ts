/** Reads an audio file of any known format into PCM. */
import { readFile, stat } from 'node:fs/promises';
import { StageError, toStageError } from '../../common/stage-error.js';
import { captureError } from '../capture-error.js';
import { interleave, type AudioFormat, type DecodedAudio } from './decoded-audio.js';
import { Decoders, type CodecOutput } from './decoders.js';
import { describeBytes, KNOWN_FORMATS, sniffFormat } from './sniff.js';
import { readWav } from './wav-reader.js';

/** Files are decoded as a whole, in memory. */
export const MAX_FILE_BYTES = 1024 ** 3;

/**
 * Decodes a file; the format is recognised by content.
 * @param decoders reuse one for many files; without it, codecs are loaded for this file and freed.
 * @throws StageError: CAPTURE_FILE_NOT_FOUND, CAPTURE_FILE_UNREADABLE, CAPTURE_FILE_TOO_LARGE, CAPTURE_FILE_EMPTY,
 *   CAPTURE_FILE_UNSUPPORTED, CAPTURE_FILE_CORRUPT. Nothing else is thrown.
 */
export async function decodeFile(path: string, decoders?: Decoders): Promise<DecodedAudio> {
  return decodeBytes(await readWhole(path), path, decoders);
}

/** Decodes a file that is already in memory; `name` is used in errors. Errors as `decodeFile`. */
export async function decodeBytes(bytes: Uint8Array, name: string, decoders?: Decoders): Promise<DecodedAudio> {
  const format = recognise(bytes, name);
  const pool = decoders ?? new Decoders();
  try {
    return format === 'wav' ? readWav(bytes, name) : fromCodec(await pool.decode(format, bytes), format, name);
  } catch (error) {
    throw toStageError(error, corruptDetails(name, format, error));
  } finally {
    if (decoders === undefined) pool.close();
  }
}

async function readWhole(path: string): Promise<Uint8Array> {
  try {
    const info = await stat(path);
    // A FIFO or a device would block for ever, a folder has no bytes.
    if (!info.isFile()) throw unreadable(path, info.isDirectory() ? 'it is a folder' : 'it is not a regular file');
    if (info.size > MAX_FILE_BYTES) throw tooLarge(path, info.size);
    return await readFile(path);
  } catch (error) {
    if (error instanceof StageError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw captureError('CAPTURE_FILE_NOT_FOUND', { message: `there is no file ${path}`, remedy: 'Check the path.', cause: error });
    }
    throw unreadable(path, message, error);
  }
}

function recognise(bytes: Uint8Array, name: string): AudioFormat {
  if (bytes.length === 0) throw captureError('CAPTURE_FILE_EMPTY', { message: `${name} has 0 bytes`, remedy: 'Choose a file that holds sound.' });
  const format = sniffFormat(bytes);
  if (format !== undefined) return format;
  throw captureError('CAPTURE_FILE_UNSUPPORTED', {
    message: `${name} starts with ${describeBytes(bytes)}, which is none of ${KNOWN_FORMATS}`,
    remedy: 'Convert it to WAV or FLAC.',
  });
}

function fromCodec(output: CodecOutput, format: AudioFormat, name: string): DecodedAudio {
  const { channelData, sampleRate, errors } = output;
  const frames = Math.max(0, Math.min(output.samplesDecoded, ...channelData.map((data) => data.length)));
  if (channelData.length === 0 || frames === 0 || !(sampleRate > 0)) throw nothingDecoded(output, format, name);
  const channels = format === 'mp3' && isMonoMp3(channelData) ? channelData.slice(0, 1) : channelData;
  const warnings = errors.length === 0 ? [] : [`decoding met ${errors.length} errors, first: ${errors[0]!.message}`];
  const expected = output.expectedSamples ?? frames;
  if (expected > frames) warnings.push(`the header states ${expected} samples, ${frames} could be decoded`);
  return {
    samples: interleave(channels.map((data) => data.subarray(0, frames)), frames),
    channels: channels.length,
    sampleRateHz: sampleRate,
    format,
    durationMs: (frames / sampleRate) * 1000,
    warnings,
  };
}

/** mpg123-decoder always returns two channels; a mono file has the same in both. */
function isMonoMp3([left, right]: readonly Float32Array[]): boolean {
  return left !== undefined && right !== undefined && left.every((value, i) => value === right[i]);
}

function nothingDecoded(output: CodecOutput, format: AudioFormat, name: string): StageError {
  const first = output.errors[0]?.message;
  return captureError('CAPTURE_FILE_CORRUPT', {
    message: `${name} looks like ${format} but no sample could be decoded${first === undefined ? '' : `: ${first}`}`,
    remedy: 'Export or copy the recording again.',
  });
}

function corruptDetails(name: string, format: AudioFormat, error: unknown) {
  const text = error instanceof Error ? error.message : String(error);
  const tooBig = error instanceof RangeError && /length|allocation/i.test(text);
  return {
    code: tooBig ? 'CAPTURE_FILE_TOO_LARGE' : 'CAPTURE_FILE_CORRUPT',
    stage: 'capture' as const,
    message: tooBig ? `${name} does not fit into memory when decoded: ${text}` : `${name} looks like ${format} but cannot be decoded: ${text}`,
    remedy: tooBig ? 'Split the recording.' : 'Export or copy the recording again.',
  };
}

function unreadable(path: string, why: string, cause?: unknown): StageError {
  return captureError('CAPTURE_FILE_UNREADABLE', { message: `${path} cannot be read: ${why}`, remedy: 'Name a regular file that you may read.', cause });
}

function tooLarge(path: string, size: number): StageError {
  return captureError('CAPTURE_FILE_TOO_LARGE', {
    message: `${path} has ${size} bytes; files up to ${MAX_FILE_BYTES} bytes are decoded`,
    remedy: 'Split the recording.',
  });
}
