/**
 * The codec instances, kept and reused: compiling a WebAssembly decoder costs many times what decoding a short clip
 * does. One file at a time per codec; calls made meanwhile wait their turn.
 */
import { FLACDecoder } from '@wasm-audio-decoders/flac';
import { OggVorbisDecoder } from '@wasm-audio-decoders/ogg-vorbis';
import { MPEGDecoder } from 'mpg123-decoder';
import { OggOpusDecoder } from 'ogg-opus-decoder';
import type { AudioFormat } from './decoded-audio.js';
import { splitFlac } from './flac-frames.js';
import { wholeOggPages } from './ogg-pages.js';
import { skipId3, startsWith } from './sniff.js';

/** What the codecs return: one array per channel. */
export interface CodecOutput {
  channelData: Float32Array[];
  samplesDecoded: number;
  sampleRate: number;
  errors: ReadonlyArray<{ message: string }>;
  /** Samples per channel that the file promises, where it says so. */
  expectedSamples?: number;
}

type Codec = 'flac' | 'mp3' | 'vorbis' | 'opus';

/** One loaded codec. */
interface CodecInstance {
  decode(bytes: Uint8Array): Promise<CodecOutput>;
  free(): void;
}

const CODEC_OF: Record<Exclude<AudioFormat, 'wav'>, Codec> = {
  flac: 'flac',
  'ogg-flac': 'flac',
  mp3: 'mp3',
  'ogg-vorbis': 'vorbis',
  'ogg-opus': 'opus',
};

const LOADERS: Record<Codec, () => Promise<CodecInstance>> = {
  flac: async () => flacCodec(new FLACDecoder()),
  vorbis: async () => wholeFileCodec(new OggVorbisDecoder()),
  opus: async () => wholeFileCodec(new OggOpusDecoder()),
  mp3: async () => mp3Codec(new MPEGDecoder()),
};

/** A set of codecs, loaded at first use. Pass one object to many `decodeFile` calls; `close()` frees their memory. */
export class Decoders {
  readonly #loaded = new Map<Codec, Promise<CodecInstance>>();
  readonly #turns = new Map<Codec, Promise<unknown>>();

  /** Decodes one whole compressed file. Rejects with whatever the codec throws. */
  async decode(format: Exclude<AudioFormat, 'wav'>, bytes: Uint8Array): Promise<CodecOutput> {
    const codec = CODEC_OF[format];
    const before = this.#turns.get(codec) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(() => this.#run(codec, bytes));
    // The queue itself must never look rejected: the caller gets the error, the next file gets its turn.
    this.#turns.set(codec, mine.catch(() => undefined));
    return mine;
  }

  close(): void {
    for (const loading of this.#loaded.values()) void loading.then((codec) => codec.free()).catch(() => undefined);
    this.#loaded.clear();
  }

  async #run(codec: Codec, bytes: Uint8Array): Promise<CodecOutput> {
    const loading = this.#loaded.get(codec) ?? LOADERS[codec]();
    this.#loaded.set(codec, loading);
    try {
      return await (await loading).decode(bytes);
    } catch (error) {
      // After an exception a codec's state is unknown: the next file gets a fresh one.
      this.#loaded.delete(codec);
      throw error;
    }
  }
}

async function wholeFileCodec(decoder: {
  ready: Promise<void>;
  decodeFile(bytes: Uint8Array): Promise<CodecOutput>;
  free(): void;
}): Promise<CodecInstance> {
  await decoder.ready;
  return { decode: (bytes) => decodeOgg(decoder, bytes), free: () => decoder.free() };
}

async function decodeOgg<T extends CodecOutput>(decoder: { decodeFile(bytes: Uint8Array): Promise<T> }, file: Uint8Array): Promise<T> {
  const { bytes, faults } = wholeOggPages(file);
  const output = await decoder.decodeFile(bytes);
  return { ...output, errors: [...faults.map((message) => ({ message })), ...output.errors] };
}

async function flacCodec(decoder: FLACDecoder): Promise<CodecInstance> {
  await decoder.ready;
  return {
    decode: async (bytes) => {
      const output = startsWith(bytes, 'OggS') ? await decodeOgg(decoder, bytes) : await decodeNativeFlac(decoder, bytes);
      for (const data of output.channelData) exactScale(data, output.bitDepth);
      return output;
    },
    free: () => decoder.free(),
  };
}

async function decodeNativeFlac(decoder: FLACDecoder, bytes: Uint8Array): Promise<CodecOutput & { bitDepth: number }> {
  const { info, frames, damaged } = splitFlac(bytes.subarray(skipId3(bytes)));
  const output = await decoder.decodeFrames(frames);
  // A reset builds the WebAssembly instance anew, which takes longer than decoding a clip: only after trouble.
  if (damaged > 0 || output.errors.length > 0) await decoder.reset();
  const errors = damaged === 0 ? output.errors : [{ message: `${damaged} frames with a wrong checksum` }, ...output.errors];
  return { ...output, errors, sampleRate: info.sampleRateHz || output.sampleRate, ...(info.totalSamples > 0 ? { expectedSamples: info.totalSamples } : {}) };
}

/**
 * The decoder divides integers by 2^(bits−1) − 1; everything else here divides by 2^(bits−1). Rounding recovers the
 * integer exactly up to 24 bits (beyond, a float32 could not hold it either).
 */
function exactScale(data: Float32Array, bits: number): void {
  if (!(bits >= 4 && bits <= 24)) return;
  const top = 2 ** (bits - 1);
  for (let i = 0; i < data.length; i++) data[i] = Math.round(data[i]! * (top - 1)) / top;
}

async function mp3Codec(decoder: MPEGDecoder): Promise<CodecInstance> {
  await decoder.ready;
  return {
    decode: async (bytes) => {
      const output = decoder.decode(bytes);
      await decoder.reset();
      return output;
    },
    free: () => decoder.free(),
  };
}
