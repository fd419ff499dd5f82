/** The synthesiser as a source: one kind of sound, or a demonstration that goes through all of them. */
import type { UtcNow } from '../../common/clock.js';
import { paced, type Ready } from '../paced.js';
import type { AudioSource } from '../types.js';
import { Phonocardiogram, type PhonocardiogramOptions } from './phonocardiogram.js';

export const SYNTH_KINDS = ['normal', 'murmur', 'extrasystole', 'artifact'] as const;
/** Sounds the synthesiser is asked for by name. */
export type SynthKind = (typeof SYNTH_KINDS)[number];

/** Order and length of the demonstration's parts. */
export const DEMO_KINDS: readonly SynthKind[] = SYNTH_KINDS;
export const DEMO_PART_SECONDS = 20;
const CROSSFADE_SECONDS = 0.3;

/** What makes each kind; anything in `changes` overrides it. */
export function optionsOf(kind: SynthKind, changes: PhonocardiogramOptions = {}): PhonocardiogramOptions {
  switch (kind) {
    case 'normal':
      return { ...changes };
    case 'murmur':
      return { ...changes, murmur: { timing: 'holosystolic', pitchHz: 180, grade: 4, ...changes.murmur } };
    case 'extrasystole':
      return { extrasystolesPerMinute: 14, ...changes };
    case 'artifact':
      return { ...changes, heart: false, artifact: true };
  }
}

/** Renders mono PCM piece by piece. */
export interface Renderer {
  readonly sampleRateHz: number;
  render(n: number): Float32Array;
}

/** One part after the other, round and round, cross-faded; each part is made anew with its own seed. */
export class SynthDemo implements Renderer {
  readonly sampleRateHz: number;
  readonly #changes: PhonocardiogramOptions;
  readonly #partSamples: number;
  readonly #fadeSamples: number;
  #position = 0;
  #part = 0;
  #current: Phonocardiogram;
  #previous: Phonocardiogram | undefined;

  constructor(changes: PhonocardiogramOptions = {}) {
    this.#changes = changes;
    this.#current = this.#make(0);
    this.sampleRateHz = this.#current.sampleRateHz;
    this.#partSamples = Math.round(DEMO_PART_SECONDS * this.sampleRateHz);
    this.#fadeSamples = Math.round(CROSSFADE_SECONDS * this.sampleRateHz);
  }

  /** The kind that sounds at sample `index` (after the cross-fade). */
  kindAt(index: number): SynthKind {
    return DEMO_KINDS[Math.floor(index / this.#partSamples) % DEMO_KINDS.length]!;
  }

  render(n: number): Float32Array {
    const out = new Float32Array(n);
    for (let done = 0; done < n; ) {
      this.#enterPart();
      const inPart = this.#position - this.#part * this.#partSamples;
      const fading = this.#previous !== undefined;
      const piece = Math.min(n - done, (fading ? this.#fadeSamples : this.#partSamples) - inPart);
      out.set(this.#renderPiece(piece, inPart), done);
      this.#position += piece;
      done += piece;
      if (fading && inPart + piece >= this.#fadeSamples) this.#previous = undefined;
    }
    return out;
  }

  #enterPart(): void {
    const part = Math.floor(this.#position / this.#partSamples);
    if (part === this.#part) return;
    this.#part = part;
    this.#previous = this.#current;
    this.#current = this.#make(part);
  }

  #renderPiece(n: number, inPart: number): Float32Array {
    const piece = this.#current.render(n);
    const before = this.#previous?.render(n);
    if (before === undefined) return piece;
    return piece.map((x, i) => {
      const gain = (inPart + i) / this.#fadeSamples;
      return gain * x + (1 - gain) * before[i]!;
    });
  }

  #make(part: number): Phonocardiogram {
    const seed = (this.#changes.seed ?? 1) + part;
    return new Phonocardiogram(optionsOf(DEMO_KINDS[part % DEMO_KINDS.length]!, { ...this.#changes, seed }));
  }
}

export interface SynthSourceOptions {
  /** `demo` goes through all kinds. Default. */
  kind?: SynthKind | 'demo';
  /** Changes to the kind's options (heart rate, seed, sampling rate…). */
  sound?: PhonocardiogramOptions;
  streamId?: string;
  title?: string;
  spec?: string;
  /** 1 = real time (default), N, or Infinity, see paced.ts. */
  speed?: number;
  chunkMs?: number;
  ready?: Ready;
  now?: UtcNow;
}

/** An endless source. Each subscription starts the same sound from its beginning. */
export function synthSource(options: SynthSourceOptions = {}): AudioSource {
  const { kind = 'demo', sound = {}, speed = 1 } = options;
  const streamId = options.streamId ?? (kind === 'demo' ? 'synth' : `synth-${kind}`);
  const open = () => {
    const renderer: Renderer = kind === 'demo' ? new SynthDemo(sound) : new Phonocardiogram(optionsOf(kind, sound));
    return { sampleRateHz: renderer.sampleRateHz, channels: 1, read: (frames: number) => renderer.render(frames) };
  };
  return {
    spec: options.spec ?? (kind === 'demo' ? 'synth' : `synth:${kind}`),
    streamId,
    title: options.title ?? `Synthesised heart (${kind})`,
    live: Number.isFinite(speed),
    open: () => paced(open, { ...options, streamId, speed }),
  };
}
