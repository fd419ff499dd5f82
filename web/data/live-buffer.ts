/** Display data of one stream: the last seconds of spectrogram columns and waveform pairs on one sample counter. */
import type { DecodedFrames } from './decode-frames.js';
import { Ring } from './ring.js';

/** Seconds that the live plots show. */
export const LIVE_SECONDS = 12;

/** Most values that a buffer may hold: some 30 times what the shipped model needs. */
const MAX_VALUES = 4_000_000;

/** How the stream's display data is laid out; a change of any part starts the buffer anew. */
export interface LiveFormat {
  sampleRateHz: number;
  nMels: number;
  /** Samples between spectrogram columns. */
  columnHopSamples: number;
  samplesPerPair: number;
}

export class LiveBuffer {
  readonly columns: Ring;
  readonly waves: Ring;
  /** Grows whenever something was written; a view redraws when it differs from what it drew. */
  revision = 0;
  /** Grows when the counter started anew: everything drawn is void. */
  epoch = 0;

  /** Throws an Error when the format asks for more memory than any real stream needs. */
  constructor(readonly format: LiveFormat) {
    const samples = LIVE_SECONDS * format.sampleRateHz;
    const columns = Math.ceil(samples / format.columnHopSamples) + 1;
    const pairs = Math.ceil(samples / format.samplesPerPair) + 1;
    const values = columns * format.nMels + 2 * pairs;
    if (values > MAX_VALUES) throw new Error(`display data of ${String(values)} values, limit ${String(MAX_VALUES)}`);
    this.columns = new Ring(columns, format.nMels);
    this.waves = new Ring(pairs, 2);
  }

  /** True when the data can be written into this buffer. */
  fits(data: DecodedFrames, columnHopSamples: number): boolean {
    const { sampleRateHz, nMels, samplesPerPair } = this.format;
    return (
      data.sampleRateHz === sampleRateHz &&
      data.nMels === nMels &&
      data.samplesPerPair === samplesPerPair &&
      columnHopSamples === this.format.columnHopSamples
    );
  }

  write(data: DecodedFrames): void {
    const restartedColumns = this.columns.write(Math.round(data.startSample / this.format.columnHopSamples), data.melDb);
    const restartedWaves = this.waves.write(Math.round(data.waveStartSample / this.format.samplesPerPair), data.pairs);
    if (restartedColumns || restartedWaves) this.epoch += 1;
    this.revision += 1;
  }

  /** Newest sample of either plot: the right edge of both. */
  get endSample(): number {
    const columns = this.columns.end * this.format.columnHopSamples;
    return Math.max(columns, this.waves.end * this.format.samplesPerPair);
  }

  clone(): LiveBuffer {
    const copy = new LiveBuffer(this.format);
    Object.assign(copy, { columns: this.columns.clone(), waves: this.waves.clone() });
    copy.revision = this.revision;
    copy.epoch = this.epoch;
    return copy;
  }
}

/** Samples between spectrogram columns, from the model's description. */
export function columnHop(frameHopMs: number, sampleRateHz: number): number {
  return Math.max(1, Math.round((frameHopMs * sampleRateHz) / 1000));
}
