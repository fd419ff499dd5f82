/**
 * Descriptors of the sound under a window, for the quality gate. Nearly all is computed once and kept: spectra of
 * blocks, levels of envelope points; a window combines what it covers.
 */
import type { ConditionedChunk } from '../condition/types.js';
import { ENVELOPE_RATE_HZ, periodicity } from './periodicity.js';
import { spectralShape, type SpectralShape } from './spectral-shape.js';
import { TailBuffer } from './tail-buffer.js';
import type { WindowDescriptors } from './types.js';

/** At or below this, a sample is digital silence: less than half a step of 16 bits. */
const SILENCE = 1e-5;
/** Spectra are taken of blocks of this length, one every BLOCK_SPACING blocks: half of the sound is enough for a mean. */
const BLOCK_SECONDS = 0.128;
const BLOCK_SPACING = 2;

/** Shape of one block of the segment, or null when it is silent. */
interface Block {
  start: number;
  shape: SpectralShape | null;
}

/** Source samples that were bad, and the model-rate samples [start, end) that they went into. */
interface DefectSpan {
  start: number;
  end: number;
  clipped: number;
  nonFinite: number;
  sourceSamples: number;
}

/** Follows one segment; all sample indices count from its start. */
export class DescriptorTracker {
  private readonly blockSamples: number;
  private readonly envelopeSamples: number;
  private blocks: Block[] = [];
  private nextBlock = 0;
  /** RMS, peak and number of silent samples of each envelope point. */
  private readonly rms = new TailBuffer(512);
  private readonly peaks = new TailBuffer(512);
  private readonly silent = new TailBuffer(512);
  private spans: DefectSpan[] = [];

  /** @param samples the segment's samples, appended by the caller. */
  constructor(
    private readonly sampleRateHz: number,
    private readonly samples: TailBuffer,
  ) {
    this.blockSamples = Math.max(64, 2 ** Math.round(Math.log2(BLOCK_SECONDS * sampleRateHz)));
    this.envelopeSamples = Math.max(1, Math.round(sampleRateHz / ENVELOPE_RATE_HZ));
  }

  /** Oldest sample that is still to be looked at. */
  get oldestNeeded(): number {
    return Math.min(this.nextBlock, this.rms.end * this.envelopeSamples);
  }

  /** Call after the chunk's samples have been appended. */
  take(chunk: ConditionedChunk): void {
    const end = this.samples.end;
    this.noteDefects(chunk, end);
    for (; this.nextBlock + this.blockSamples <= end; this.nextBlock += BLOCK_SPACING * this.blockSamples) {
      this.blocks.push({ start: this.nextBlock, shape: this.shapeOf(this.samples.view(this.nextBlock, this.nextBlock + this.blockSamples)) });
    }
    this.extendEnvelope(end);
  }

  /** @param filledRatio passed through. */
  describe(start: number, end: number, filledRatio: number): WindowDescriptors {
    const { flatness, centroidHz } = this.meanShape(start, end);
    const { clippedRatio, nonFiniteRatio } = this.defects(start, end);
    return {
      ...this.level(start, end),
      clippedRatio,
      nonFiniteRatio,
      spectralFlatness: flatness,
      spectralCentroidHz: centroidHz,
      periodicity: this.beat(start, end),
      filledRatio,
    };
  }

  /** Sound before `start` is over. */
  discardBefore(start: number): void {
    while (this.blocks.length > 0 && this.blocks[0]!.start + this.blockSamples < start) this.blocks.shift();
    while (this.spans.length > 0 && this.spans[0]!.end <= start) this.spans.shift();
    for (const points of [this.rms, this.peaks, this.silent]) points.discardBefore(Math.floor(start / this.envelopeSamples));
  }

  reset(): void {
    this.blocks = [];
    this.spans = [];
    this.nextBlock = 0;
    for (const points of [this.rms, this.peaks, this.silent]) points.clear();
  }

  private noteDefects(chunk: ConditionedChunk, end: number): void {
    const { clippedSamples, nonFiniteSamples, sourceSamples = chunk.samples.length } = chunk;
    let last = this.spans.at(-1);
    // Tiny chunks share a span, so that their number stays small.
    if (!last || last.end - last.start >= this.envelopeSamples) {
      last = { start: end - chunk.samples.length, end, clipped: 0, nonFinite: 0, sourceSamples: 0 };
      this.spans.push(last);
    }
    last.end = end;
    last.clipped += clippedSamples;
    last.nonFinite += nonFiniteSamples;
    last.sourceSamples += sourceSamples;
  }

  private extendEnvelope(end: number): void {
    const { envelopeSamples } = this;
    while ((this.rms.end + 1) * envelopeSamples <= end) {
      const from = this.rms.end * envelopeSamples;
      const { squares, peak, silent } = measure(this.samples.view(from, from + envelopeSamples));
      this.rms.extend(1)[0] = Math.sqrt(squares / envelopeSamples);
      this.peaks.extend(1)[0] = peak;
      this.silent.extend(1)[0] = silent;
    }
  }

  /** Envelope points that lie whole in [start, end). */
  private pointsWithin(start: number, end: number): { from: number; to: number } {
    const from = Math.ceil(start / this.envelopeSamples);
    return { from, to: Math.max(from, Math.min(this.rms.end, Math.floor(end / this.envelopeSamples))) };
  }

  private beat(start: number, end: number): number {
    const { from, to } = this.pointsWithin(start, end);
    return to > from ? periodicity(this.rms.view(from, to)) : 0;
  }

  /** Level from the envelope points inside, and from the samples themselves at the edges. */
  private level(start: number, end: number): Pick<WindowDescriptors, 'rms' | 'peak' | 'silentRatio'> {
    const { envelopeSamples } = this;
    const { from, to } = this.pointsWithin(start, end);
    const edges = to > from ? [[start, from * envelopeSamples] as const, [to * envelopeSamples, end] as const] : [[start, end] as const];
    let [squares, peak, silent] = [0, 0, 0];
    for (const [first, last] of edges) {
      const edge = measure(this.samples.view(first, last));
      squares += edge.squares;
      peak = Math.max(peak, edge.peak);
      silent += edge.silent;
    }
    for (let point = from; point < to; point++) {
      squares += this.rms.at(point) ** 2 * envelopeSamples;
      peak = Math.max(peak, this.peaks.at(point));
      silent += this.silent.at(point);
    }
    const count = Math.max(1, end - start);
    return { rms: Math.sqrt(squares / count), peak, silentRatio: silent / count };
  }

  /** Mean over the audible blocks that lie inside (the first by half at least); of the sound itself, zero-padded, when none does. Zeros for silence. */
  private meanShape(start: number, end: number): SpectralShape {
    let [count, flatness, centroidHz, inside] = [0, 0, 0, 0];
    for (const { start: from, shape } of this.blocks) {
      // Blocks that end later may be known already or not, depending on how the sound was cut into chunks.
      if (from + this.blockSamples / 2 < start || from + this.blockSamples > end) continue;
      inside += 1;
      if (!shape) continue;
      count += 1;
      flatness += shape.flatness;
      centroidHz += shape.centroidHz;
    }
    if (inside === 0) return this.paddedShape(start, end) ?? { flatness: 0, centroidHz: 0 };
    return count === 0 ? { flatness: 0, centroidHz: 0 } : { flatness: flatness / count, centroidHz: centroidHz / count };
  }

  private paddedShape(start: number, end: number): SpectralShape | null {
    const block = new Float32Array(this.blockSamples);
    block.set(this.samples.view(start, Math.min(end, start + this.blockSamples)));
    return this.shapeOf(block);
  }

  private shapeOf(block: Float32Array): SpectralShape | null {
    return measure(block).peak <= SILENCE ? null : spectralShape(block, this.sampleRateHz);
  }

  private defects(start: number, end: number): { clippedRatio: number; nonFiniteRatio: number } {
    let [clipped, nonFinite, sourceSamples] = [0, 0, 0];
    for (const span of this.spans) {
      const share = (Math.min(end, span.end) - Math.max(start, span.start)) / (span.end - span.start);
      if (!(share > 0)) continue;
      clipped += share * span.clipped;
      nonFinite += share * span.nonFinite;
      sourceSamples += share * span.sourceSamples;
    }
    const ratio = (count: number) => (sourceSamples > 0 ? Math.min(1, count / sourceSamples) : 0);
    return { clippedRatio: ratio(clipped), nonFiniteRatio: ratio(nonFinite) };
  }
}

function measure(samples: Float32Array): { squares: number; peak: number; silent: number } {
  let [squares, peak, silent] = [0, 0, 0];
  for (let i = 0; i < samples.length; i++) {
    const x = samples[i]!;
    const magnitude = x < 0 ? -x : x;
    squares += x * x;
    if (magnitude > peak) peak = magnitude;
    if (magnitude <= SILENCE) silent += 1;
  }
  return { squares, peak, silent };
}
