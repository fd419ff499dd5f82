/**
 * Display data of one stream: `frames` messages with spectrogram columns as bytes and the waveform as minima and
 * maxima. Sent only to subscribers that ask for it; it never influences a label.
 */
import type { ConditionedItem } from '../condition/types.js';
import type { FrameBlock } from '../features/types.js';
import type { Frames } from '../protocol/messages.js';

/** Decibels (re full scale) of bytes 0 and 255. */
export const DISPLAY_DB = { min: -100, max: 20 } as const;

/** Waveform pairs per second: about two per pixel of a 10 s view on a wide screen. */
const PAIRS_PER_SECOND = 200;

export class Display {
  private pairs: number[] = [];
  private pairsStart = 0;
  private low = Infinity;
  private high = -Infinity;
  private filled = 0;
  private segmentEnded = false;
  private readonly samplesPerPair: number;

  constructor(private readonly sampleRateHz: number) {
    this.samplesPerPair = Math.max(1, Math.round(sampleRateHz / PAIRS_PER_SECOND));
  }

  /** Takes in the waveform. What was heard before a gap or the end stays until the frames that end there have taken it. */
  listen(item: ConditionedItem): void {
    if (item.kind !== 'chunk') {
      this.segmentEnded = true;
      return;
    }
    if (this.segmentEnded) this.restart();
    if (this.pairs.length === 0 && this.filled === 0) this.pairsStart = item.startSample;
    for (const sample of item.samples) {
      if (sample < this.low) this.low = sample;
      if (sample > this.high) this.high = sample;
      this.filled += 1;
      if (this.filled === this.samplesPerPair) this.closePair();
    }
  }

  /** Makes the message for a block of frames, taking all waveform pairs gathered since the last one. */
  message(block: FrameBlock): Frames {
    const pairs = this.pairs;
    const startSample = this.pairsStart;
    this.pairs = [];
    this.pairsStart += (pairs.length / 2) * this.samplesPerPair;
    return {
      type: 'frames',
      streamId: block.streamId,
      startSample: block.startSample,
      sampleRateHz: this.sampleRateHz,
      nMels: block.nMels,
      columns: block.columns,
      minDb: DISPLAY_DB.min,
      maxDb: DISPLAY_DB.max,
      melDb: bytesOf(block.melDb).toString('base64'),
      waveform: { startSample, samplesPerPair: this.samplesPerPair, pairs },
    };
  }

  private closePair(): void {
    this.pairs.push(round(this.low), round(this.high));
    this.low = Infinity;
    this.high = -Infinity;
    this.filled = 0;
  }

  private restart(): void {
    this.segmentEnded = false;
    this.pairs = [];
    this.low = Infinity;
    this.high = -Infinity;
    this.filled = 0;
  }
}

function bytesOf(melDb: Float32Array): Buffer {
  const scale = 255 / (DISPLAY_DB.max - DISPLAY_DB.min);
  const bytes = Buffer.alloc(melDb.length);
  for (let i = 0; i < melDb.length; i++) {
    bytes[i] = Math.max(0, Math.min(255, Math.round((melDb[i]! - DISPLAY_DB.min) * scale)));
  }
  return bytes;
}

/** Four decimals are beyond what a screen shows and keep the JSON small. */
function round(x: number): number {
  return Math.round(x * 1e4) / 1e4;
}
