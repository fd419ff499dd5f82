/** A clip to look at and to listen to: spectrogram and sound as data URIs. */
import { resampleAll } from '../../condition/offline.js';
import { melDecibels, type FeatureParams } from '../../features/index.js';
import type { LoadedRecording } from '../audio-cache.js';
import { encodePng } from './png.js';

export interface ClipMedia {
  /** image/png, one pixel per frame and band, low bands below. */
  spectrogram: string;
  /** audio/wav. */
  audio: string;
  /** Seconds shown, and whether the clip is longer. */
  seconds: number;
  cut: boolean;
}

/** Longer clips are cut: a report must stay small enough to mail. */
const MAX_SECONDS = 10;
/** Chromium plays nothing below 3 kHz. */
const AUDIO_RATE_HZ = 4000;
const RANGE_DB = 60;

export function clipMedia(recording: LoadedRecording, params: FeatureParams): ClipMedia {
  const rate = params.mel.sampleRateHz;
  const pcm = recording.pcm.subarray(0, MAX_SECONDS * rate);
  return {
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
