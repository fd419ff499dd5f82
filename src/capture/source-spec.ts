/**
 * Source specifications, as they stand on the command line and in the configuration:
 *
 *   synth[:normal|murmur|extrasystole|artifact][?options]    the synthesiser
 *   file:PATH[?speed=2&loop=1]                               a recording
 *   mic[:NAME][?rate=48000&channels=1]                       a microphone (default device, or by name)
 */
import { captureError } from './capture-error.js';
import type { UtcNow } from '../common/clock.js';
import type { Decoders } from './files/decoders.js';
import { fileSource } from './files/file-source.js';
import type { Ready } from './paced.js';
import { portAudioSource } from './portaudio/portaudio-source.js';
import { integerBetween, invalid, numberBetween, oneOf, readOptions, speedValue, splitOptions, yesNo, type OptionReaders } from './spec-options.js';
import { isStreamId, streamIdFrom } from './stream-id.js';
import { MURMUR_TIMINGS, type MurmurOptions } from './synth/murmur.js';
import { SYNTH_KINDS, synthSource, type SynthKind } from './synth/synth-source.js';
import type { AudioSource } from './types.js';

/** What the caller decides rather than the specification. */
export interface SourceOptions {
  /** Overrides the id derived from the specification; the caller makes ids unique. */
  streamId?: string;
  /** Overrides `?speed=` of files and the synthesiser; ignored by microphones. */
  speed?: number;
  /** Their pace where neither `speed` nor `?speed=` says one. Default 1. */
  defaultSpeed?: number;
  now?: UtcNow;
  /** Back-pressure at speed Infinity, see paced.ts. */
  ready?: Ready;
  decoders?: Decoders;
  /** Told about damaged files, overruns and the audio library's own messages. */
  onWarning?: (warning: string) => void;
  onDebug?: (line: string) => void;
}

/** Makes the source; nothing is opened before it is subscribed to. */
export type SourceFactory = (options?: SourceOptions) => AudioSource;

type Scheme = (spec: string, name: string, query: string) => SourceFactory;

const SCHEMES: Record<string, Scheme> = { synth: synthScheme, file: fileScheme, mic: micScheme };

/** How the known schemes are written, for help texts. */
export const SOURCE_SPEC_HELP = 'synth[:KIND][?OPTIONS], file:PATH[?speed=N|max&loop=1], mic, mic:NAME';

/**
 * Checks a specification and gives the factory of its source.
 * @throws StageError CAPTURE_UNKNOWN_SOURCE (scheme), CAPTURE_SOURCE_SPEC_INVALID (options, missing path).
 */
export function parseSourceSpec(spec: string): SourceFactory {
  const [, name = '', colon, rest = ''] = /^([A-Za-z0-9+-]*)([:?])?(.*)$/s.exec(spec) ?? [];
  const scheme = Object.hasOwn(SCHEMES, name) ? SCHEMES[name] : undefined;
  if (scheme === undefined) {
    throw captureError('CAPTURE_UNKNOWN_SOURCE', {
      message: `"${spec}" is no source: the scheme "${name}" is unknown`,
      remedy: `Write one of ${SOURCE_SPEC_HELP}.`,
    });
  }
  const parts = colon === '?' ? { name: '', query: rest } : splitOptions(rest);
  return scheme(spec, parts.name, parts.query);
}

/** Makes the source that `spec` describes. Errors as `parseSourceSpec`. */
export function createSource(spec: string, options: SourceOptions = {}): AudioSource {
  const { streamId, speed } = options;
  if (streamId !== undefined && !isStreamId(streamId)) {
    throw invalid(spec, `"${streamId}" cannot be a stream id`, 'Stream ids have 1 to 64 of A–Z a–z 0–9 . _ -');
  }
  if (speed !== undefined && !(speed > 0)) throw invalid(spec, `its speed is ${speed}`, 'The speed is a positive number, or Infinity.');
  return parseSourceSpec(spec)(options);
}

const SYNTH_READERS = {
  bpm: numberBetween(40, 180, 'beats per minute'),
  seed: integerBetween(0, 2 ** 31, ''),
  rate: integerBetween(200, 192_000, 'Hz'),
  speed: speedValue,
  noise: numberBetween(-120, 0, 'dB'),
  breath: numberBetween(-120, 0, 'dB'),
  hum: numberBetween(-120, 0, 'dB'),
  humHz: numberBetween(40, 70, 'Hz'),
  handling: numberBetween(0, 120, 'bumps per minute'),
};
const MURMUR_READERS = { timing: oneOf(MURMUR_TIMINGS), pitch: numberBetween(50, 600, 'Hz'), grade: numberBetween(1, 6) };
const EXTRASYSTOLE_READERS = { extrasystoles: numberBetween(0, 60, 'per minute') };
type AllSynthReaders = typeof SYNTH_READERS & typeof MURMUR_READERS & typeof EXTRASYSTOLE_READERS;

function synthScheme(spec: string, name: string, query: string): SourceFactory {
  if (name !== '' && name !== 'demo' && !(SYNTH_KINDS as readonly string[]).includes(name)) {
    throw invalid(spec, `the synthesiser makes no "${name}"`, `Kinds: ${SYNTH_KINDS.join(', ')}; none for a demonstration of all.`);
  }
  const kind = name === '' ? 'demo' : (name as SynthKind | 'demo');
  const readers: OptionReaders = { ...SYNTH_READERS };
  if (kind === 'murmur') Object.assign(readers, MURMUR_READERS);
  if (kind === 'extrasystole') Object.assign(readers, EXTRASYSTOLE_READERS);
  const o = readOptions(spec, query, readers as AllSynthReaders);
  const sound = {
    bpm: o.bpm,
    seed: o.seed,
    sampleRateHz: o.rate,
    pinkDb: o.noise,
    breathDb: o.breath,
    humDb: o.hum,
    humHz: o.humHz,
    handlingPerMinute: o.handling,
    extrasystolesPerMinute: o.extrasystoles,
    murmur: kind === 'murmur' ? murmurOf(o) : undefined,
  };
  return (options = {}) => synthSource({ ...options, kind, sound: defined(sound), spec, speed: options.speed ?? o.speed ?? options.defaultSpeed ?? 1 });
}

function murmurOf(o: { timing?: MurmurOptions['timing']; pitch?: number; grade?: number }): MurmurOptions {
  return { timing: o.timing ?? 'holosystolic', pitchHz: o.pitch ?? 180, grade: o.grade ?? 4 };
}

function fileScheme(spec: string, path: string, query: string): SourceFactory {
  if (path === '') throw invalid(spec, 'it names no file', 'Write file:PATH.');
  const { speed, loop } = readOptions(spec, query, { speed: speedValue, loop: yesNo });
  return (options = {}) => fileSource({ ...options, path, spec, speed: options.speed ?? speed ?? options.defaultSpeed ?? 1, loop: loop ?? false });
}

function micScheme(spec: string, name: string, query: string): SourceFactory {
  const { rate, channels } = readOptions(spec, query, { rate: integerBetween(1000, 192_000, 'Hz'), channels: integerBetween(1, 2) });
  return (options = {}) =>
    portAudioSource({
      ...defined({ now: options.now, onWarning: options.onWarning, onDebug: options.onDebug }),
      ...defined({ device: name === '' ? undefined : name, sampleRateHz: rate, channels }),
      spec,
      streamId: options.streamId ?? (name === '' ? 'mic' : streamIdFrom(`mic-${name}`)),
    });
}

/** Without the keys whose value is undefined, so that they do not hide defaults. */
function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
