/** The live buffers of the streams that were looked at last: few, since each holds a spectrogram. */
import type { DecodedFrames } from './decode-frames.js';
import { LiveBuffer } from './live-buffer.js';

/** Streams whose display data is kept, the selected one included. */
const KEPT_STREAMS = 4;

export class LiveStore {
  private readonly buffers = new Map<string, LiveBuffer>();

  get(streamId: string): LiveBuffer | undefined {
    return this.buffers.get(streamId);
  }

  /** @param columnHopSamples samples between spectrogram columns */
  write(data: DecodedFrames, columnHopSamples: number): void {
    let buffer = this.buffers.get(data.streamId);
    if (buffer === undefined || !buffer.fits(data, columnHopSamples)) {
      const { sampleRateHz, nMels, samplesPerPair } = data;
      buffer = new LiveBuffer({ sampleRateHz, nMels, samplesPerPair, columnHopSamples });
    }
    buffer.write(data);
    // A Map keeps the order of insertion: the stream written last goes to the end, the first one is forgotten.
    this.buffers.delete(data.streamId);
    this.buffers.set(data.streamId, buffer);
    for (const oldest of this.buffers.keys()) {
      if (this.buffers.size <= KEPT_STREAMS) break;
      this.buffers.delete(oldest);
    }
  }
}
