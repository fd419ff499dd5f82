/** A clip to look at and to listen to: spectrogram and sound as data URIs. */
import { resampleAll } from '../../condition/offline.js';
import { melDecibels, type FeatureParams } from '../../features/index.js';
import type { LoadedRecording } from '../audio-cache.js';
import type { ClipMaps } from './class-maps.js';
import { encodePng, encodeVeilPng } from './png.js';

export interface ClipMedia {
  /** image/png, one pixel per frame and band, low bands below. */
  spectrogram: string;
  /** audio/wav. */
  audio: string;
  /** Seconds shown, and whether the clip is longer. */
  seconds: number;
  cut: boolean;
  /** Class-activation maps to lay over the spectrogram. */
  maps: MapLayer[];
}

export interface MapLayer {
  /** Whose evidence it shows: a class, by labels joined by `/`. */
  name: string;
  /** image/png of the spectrogram's size, transparent where nothing speaks for the class. */
  image: string;
}

/** Longer clips are cut: a report must stay small enough to mail. */
const MAX_SECONDS = 10;
/** Chromium plays nothing below 3 kHz. */
const AUDIO_RATE_HZ = 4000;
const RANGE_DB = 60;

/** @param maps of the clip, and the classes to show, if there are any. */
export function clipMedia(recording: LoadedRecording, params: FeatureParams, maps?: { of: ClipMaps; shown: readonly string[] }): ClipMedia {
  const rate = params.mel.sampleRateHz;
  const pcm = recording.pcm.subarray(0, MAX_SECONDS * rate);
  const frames = 1 + Math.floor(pcm.length / params.mel.hopLength);
  return {
    maps: maps ? mapLayers(maps.of, maps.shown, params.mel.nMels, frames) : [],
    spectrogram: `data:image/png;base64,${Buffer.from(spectrogramPng(pcm, params)).toString('base64')}`,
    audio: `data:audio/wav;base64,${Buffer.from(wav(rate === AUDIO_RATE_HZ ? pcm : resampleAll(pcm, rate, AUDIO_RATE_HZ), AUDIO_RATE_HZ)).toString('base64')}`,
    seconds: pcm.length / rate,
    cut: pcm.length < recording.pcm.length,
  };
}

function spectrogramPng(pcm: Float32Array, params: FeatureParams): Uint8Array {
  const { nMels } = params.mel;
  const decibels = melDecibels(pcm, { ...params, db: { ...params.db, topDb: RANGE_DB } });
  const frames = decibels.length / nMels;
  const top = decibels.reduce((max, x) => Math.max(max, x), -Infinity);
  const levels = Float32Array.from({ length: decibels.length }, (_, i) => {
    const [row, frame] = [Math.floor(i / frames), i % frames];
    return 1 + ((decibels[frame * nMels + (nMels - 1 - row)] ?? top) - top) / RANGE_DB;
  });
  return encodePng(levels, frames, nMels);
}

/** Negative parts are left out, as in Grad-CAM; full colour is the strongest place of all maps shown, so that they compare. */
export function mapLayers(of: ClipMaps, shown: readonly string[], bands: number, frames: number): MapLayer[] {
  const found = shown.flatMap((name) => {
    // A class of several labels ("murmur/extrasystole"): what speaks for any of them.
    const parts = name.split('/').flatMap((label) => of.get(label) ?? []);
    return parts.length === 0 ? [] : [{ name, map: parts.reduce((a, b) => a.map((x, i) => Math.max(x, b[i] ?? 0))) }];
  });
  const visible = found.map(({ name, map }) => ({ name, map: firstColumns(map, bands, frames) }));
  const strongest = Math.max(1e-9, ...visible.map(({ map }) => map.reduce((top, x) => Math.max(top, x), 0)));
  return visible.map(({ name, map }) => ({
    name,
    image: `data:image/png;base64,${Buffer.from(encodeVeilPng(map.map((x) => x / strongest), frames, bands)).toString('base64')}`,
  }));
}

function firstColumns(map: Float32Array, bands: number, frames: number): Float32Array {
  const width = map.length / bands;
  return Float32Array.from({ length: bands * frames }, (_, i) => map[Math.floor(i / frames) * width + (i % frames)] ?? 0);
}

/** Mono 16-bit WAV, scaled to just below full scale: stethoscope recordings are quiet. */
function wav(pcm: Float32Array, sampleRateHz: number): Uint8Array {
  const peak = pcm.reduce((max, x) => Math.max(max, Math.abs(x)), 1e-9);
  const bytes = Buffer.alloc(44 + 2 * pcm.length);
  bytes.write('RIFF', 0, 'latin1');
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8, 'latin1');
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(sampleRateHz, 24);
  bytes.writeUInt32LE(2 * sampleRateHz, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36, 'latin1');
  bytes.writeUInt32LE(2 * pcm.length, 40);
  pcm.forEach((x, i) => bytes.writeInt16LE(Math.round((29_000 * x) / peak), 44 + 2 * i));
  return bytes;
}
