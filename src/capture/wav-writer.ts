/**
 * Writes a recording to WAV as it comes, so that the file is readable at every moment: sound is appended first, then
 * the two sizes in the header are set to what has been written. A kill in between leaves a header that states a little
 * less than the file holds, which every reader accepts.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { finalize, from, type Observable } from 'rxjs';
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

/** An open WAV file. Calls may overlap; they are carried out in order. */
export class WavWriter {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #options: Required<WavWriterOptions>;
  #bytes = 0;
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
    const { sampleRateHz, channels, sampleFormat } = this.#options;
    return this.#bytes / (channels * sampleBytes(sampleFormat)) / sampleRateHz;
  }

  /** Appends interleaved samples. Resolves when they and the header are written. @throws StageError CAPTURE_RECORD_FAILED. */
  write(samples: Float32Array): Promise<void> {
    return this.#enqueue(() => this.#append(this.#options.sampleFormat === 'int16' ? toInt16(samples) : toFloat32(samples)));
  }

  /** Finishes pending writes and closes the file. */
  async close(): Promise<void> {
    await this.#queue.catch(() => undefined);
    await this.#file.close();
  }

  #enqueue(act: () => Promise<void>): Promise<void> {
    const mine = this.#queue.then(act).catch((error: unknown) => {
      throw failed(this.#path, error);
    });
    // After a failure (disk full) later writes fail as well: a hole in a recording must not pass unnoticed.
    this.#queue = mine;
    mine.catch(() => undefined);
    return mine;
  }

  async #append(data: Buffer): Promise<void> {
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
  return new Promise((resolve, reject) => {
    let recorder: Promise<WavWriter> | undefined;
    let failure: unknown;
    let channels = 1;
    let lostSeconds = 0;
    const write = (samples: Float32Array) => {
      recorder = recorder?.then(async (writer) => {
        await writer.write(samples);
        return writer;
      });
      recorder?.catch((error: unknown) => {
        failure ??= error;
        subscription.unsubscribe();
      });
    };
    const finish = async () => {
      if (recorder === undefined) {
        if (failure !== undefined) throw failure;
        throw captureError('CAPTURE_RECORD_EMPTY', { message: `nothing to write to ${path}: the source ended without sound`, remedy: 'Check the source.' });
      }
      const writer = await recorder;
      await writer.close();
      if (failure !== undefined) throw failure;
      return { path, seconds: writer.seconds, lostSeconds };
    };
    const subscription = from(items)
      .pipe(finalize(() => void finish().then(resolve, reject)))
      .subscribe({
        next: (item) => {
          if (item.kind === 'chunk') {
            channels = item.channels;
            recorder ??= WavWriter.create(path, { sampleRateHz: item.sampleRateHz, channels, sampleFormat });
            write(item.samples);
          } else if (recorder !== undefined) {
            lostSeconds += item.lengthSamples / item.sampleRateHz;
            write(new Float32Array(item.lengthSamples * channels));
          }
        },
        error: (error: unknown) => (failure = error),
      });
  });
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
