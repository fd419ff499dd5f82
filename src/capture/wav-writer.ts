/**
 * Writes a recording to WAV as it comes, so that the file is readable at every moment: sound is appended first, then
 * the two sizes in the header are set to what has been written. A kill in between leaves a header that states a little
 * less than the file holds, which every reader accepts.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { Subject, takeUntil, type Observable } from 'rxjs';
import { StageError } from '../common/stage-error.js';
import { captureError } from './capture-error.js';
import type { CaptureItem } from './types.js';

/** `int16` rounds and clips to ±1; `float32` keeps everything, NaN included. */
export type WavSampleFormat = 'int16' | 'float32';

export interface WavWriterOptions {
  sampleRateHz: number;
  channels: number;
  /** Default `int16`. */
  sampleFormat?: WavSampleFormat;
}

const HEADER_BYTES = 44;
/** RIFF sizes are 32-bit; a longer recording is refused rather than written with a wrapped size. */
export const MAX_DATA_BYTES = 0xffffffff - HEADER_BYTES;

/** Bytes of silence written in one go. */
const SILENCE_BYTES = 1 << 20;

/** An open WAV file. Calls may overlap; they are carried out in order, and small pieces that wait are written together. */
export class WavWriter {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #options: Required<WavWriterOptions>;
  #bytes = 0;
  /** Sound that waits to be written; a number stands for so many bytes of silence. */
  #pending: Array<Buffer | number> = [];
  #queue: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle, path: string, options: Required<WavWriterOptions>) {
    this.#file = file;
    this.#path = path;
    this.#options = options;
  }

  /** Creates (or overwrites) `path` with an empty WAV file. @throws StageError CAPTURE_RECORD_FAILED. */
  static async create(path: string, options: WavWriterOptions): Promise<WavWriter> {
    const full = { sampleFormat: 'int16' as const, ...options };
    try {
      const file = await open(path, 'w');
      const writer = new WavWriter(file, path, full);
      await writer.#writeHeader();
      return writer;
    } catch (error) {
      throw failed(path, error);
    }
  }

  /** Seconds written so far. */
  get seconds(): number {
    return this.#bytes / this.#frameBytes / this.#options.sampleRateHz;
  }

  /** Appends interleaved samples. Resolves when they and the header are written. @throws StageError CAPTURE_RECORD_FAILED. */
  write(samples: Float32Array): Promise<void> {
    return this.#enqueue(this.#options.sampleFormat === 'int16' ? toInt16(samples) : toFloat32(samples));
  }

  /** Appends `frames` samples per channel of silence. As `write`. */
  writeSilence(frames: number): Promise<void> {
    return this.#enqueue(frames * this.#frameBytes);
  }

  /** Finishes pending writes and closes the file. Does not throw what `write` already did. */
  async close(): Promise<void> {
    await this.#queue.catch(() => undefined);
    await this.#file.close().catch(() => undefined);
  }

  get #frameBytes(): number {
    return this.#options.channels * sampleBytes(this.#options.sampleFormat);
  }

  #enqueue(piece: Buffer | number): Promise<void> {
    this.#pending.push(piece);
    const mine = this.#queue.then(() => this.#flush()).catch((error: unknown) => {
      throw failed(this.#path, error);
    });
    // After a failure (disk full) later writes fail as well: a hole in a recording must not pass unnoticed.
    this.#queue = mine;
    mine.catch(() => undefined);
    return mine;
  }

  /** Writes all that waits, in order, neighbouring sound in one go. */
  async #flush(): Promise<void> {
    const pieces = this.#pending;
    this.#pending = [];
    let together: Buffer[] = [];
    for (const piece of pieces) {
      if (typeof piece !== 'number') {
        together.push(piece);
        continue;
      }
      await this.#append(Buffer.concat(together));
      together = [];
      for (let left = piece; left > 0; left -= SILENCE_BYTES) await this.#append(Buffer.alloc(Math.min(left, SILENCE_BYTES)));
    }
    await this.#append(Buffer.concat(together));
  }

  async #append(data: Buffer): Promise<void> {
    if (data.length === 0) return;
    if (this.#bytes + data.length > MAX_DATA_BYTES) throw new Error(`a WAV file holds at most ${MAX_DATA_BYTES} bytes of sound`);
    await writeAll(this.#file, data, HEADER_BYTES + this.#bytes);
    this.#bytes += data.length;
    const sizes = Buffer.alloc(4);
    sizes.writeUInt32LE(this.#bytes + HEADER_BYTES - 8);
    await writeAll(this.#file, sizes, 4);
    sizes.writeUInt32LE(this.#bytes);
    await writeAll(this.#file, sizes, 40);
  }

  #writeHeader(): Promise<void> {
    const { sampleRateHz, channels, sampleFormat } = this.#options;
    const bytes = sampleBytes(sampleFormat);
    const header = Buffer.alloc(HEADER_BYTES);
    header.write('RIFF', 0, 'latin1');
    header.writeUInt32LE(HEADER_BYTES - 8, 4);
    header.write('WAVEfmt ', 8, 'latin1');
    header.writeUInt32LE(16, 16);
    header.writeUInt16LE(sampleFormat === 'int16' ? 1 : 3, 20);
    header.writeUInt16LE(channels, 22);
    header.writeUInt32LE(Math.round(sampleRateHz), 24);
    header.writeUInt32LE(Math.round(sampleRateHz) * channels * bytes, 28);
    header.writeUInt16LE(channels * bytes, 32);
    header.writeUInt16LE(bytes * 8, 34);
    header.write('data', 36, 'latin1');
    return writeAll(this.#file, header, 0);
  }
}

/** What came of a recording. */
export interface Recording {
  path: string;
  /** Seconds in the file. */
  seconds: number;
  /** Seconds of it that were lost in capture and written as silence. */
  lostSeconds: number;
}

/**
 * Records a stream until it completes (end it with `takeUntil`, `take`…). Lost samples become silence of the same
 * length, so that the file keeps time. The format is that of the first chunk.
 * @throws StageError of the source, or CAPTURE_RECORD_FAILED; what was written until then stays readable.
 *   CAPTURE_RECORD_EMPTY when the stream ended without sound (no file is made).
 */
export async function recordToWav(items: Observable<CaptureItem>, path: string, sampleFormat: WavSampleFormat = 'int16'): Promise<Recording> {
  const recorder = new Recorder(path, sampleFormat);
  try {
    await new Promise<void>((resolve, reject) => {
      items.pipe(takeUntil(recorder.failed)).subscribe({ next: (item) => recorder.add(item), error: reject, complete: resolve });
    });
  } finally {
    await recorder.close();
  }
  return recorder.result();
}

/** Writes items; the file is created when the first chunk tells the format. */
class Recorder {
  /** Emits when writing has failed, so that recording stops. */
  readonly failed = new Subject<void>();
  readonly #path: string;
  readonly #sampleFormat: WavSampleFormat;
  #writer: Promise<WavWriter> | undefined;
  #error: unknown;
  #seconds = 0;
  #lostSeconds = 0;

  constructor(path: string, sampleFormat: WavSampleFormat) {
    this.#path = path;
    this.#sampleFormat = sampleFormat;
  }

  add(item: CaptureItem): void {
    if (item.kind === 'chunk') {
      const { sampleRateHz, channels } = item;
      this.#writer ??= WavWriter.create(this.#path, { sampleRateHz, channels, sampleFormat: this.#sampleFormat });
      this.#do((writer) => writer.write(item.samples));
    } else if (this.#writer !== undefined) {
      this.#lostSeconds += item.lengthSamples / item.sampleRateHz;
      this.#do((writer) => writer.writeSilence(item.lengthSamples));
    }
  }

  async close(): Promise<void> {
    const writer = await this.#writer?.catch(() => undefined);
    await writer?.close();
    this.#seconds = writer?.seconds ?? 0;
  }

  result(): Recording {
    if (this.#error !== undefined) throw this.#error;
    if (this.#writer === undefined) {
      throw captureError('CAPTURE_RECORD_EMPTY', { message: `nothing to write to ${this.#path}: the source ended without sound`, remedy: 'Check the source.' });
    }
    return { path: this.#path, seconds: this.#seconds, lostSeconds: this.#lostSeconds };
  }

  #do(act: (writer: WavWriter) => Promise<void>): void {
    this.#writer?.then(act).catch((error: unknown) => {
      this.#error ??= error;
      this.failed.next();
    });
  }
}

function sampleBytes(format: WavSampleFormat): number {
  return format === 'int16' ? 2 : 4;
}

function toInt16(samples: Float32Array): Buffer {
  const data = Buffer.allocUnsafe(samples.length * 2);
  for (let i = 0; i < samples.length; i++) {
    const x = samples[i]!;
    // A sample that is not a number becomes silence: integers have no other place for it.
    data.writeInt16LE(Number.isNaN(x) ? 0 : Math.max(-32768, Math.min(32767, Math.round(x * 32768))), i * 2);
  }
  return data;
}

function toFloat32(samples: Float32Array): Buffer {
  const data = Buffer.allocUnsafe(samples.length * 4);
  for (let i = 0; i < samples.length; i++) data.writeFloatLE(samples[i]!, i * 4);
  return data;
}

async function writeAll(file: FileHandle, data: Buffer, position: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await file.write(data, done, data.length - done, position + done);
    done += bytesWritten;
  }
}

function failed(path: string, error: unknown): StageError {
  if (error instanceof StageError) return error;
  return captureError('CAPTURE_RECORD_FAILED', {
    message: `cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`,
    remedy: 'Check the folder, its rights and the free space.',
    cause: error,
  });
}
