/** Model inputs to compare formats on and to calibrate with: synthesised sound, or recordings of a folder. */
import { optionsOf, SYNTH_KINDS } from '../../capture/synth/synth-source.js';
import { Phonocardiogram } from '../../capture/synth/phonocardiogram.js';
import { windowSpanSamples } from '../../features/index.js';
import { loadAudio } from '../audio-cache.js';
import { clipWindows } from '../clip-windows.js';
import { openDataset } from '../datasets/open-dataset.js';
import { windowFeaturiser } from '../window-featuriser.js';
import type { ExportSource } from './source.js';

/** Most windows that calibration uses; more change the scales little and cost time. */
const CALIBRATION_WINDOWS = 128;

/** One window of each kind of sound that the synthesiser knows, and the package's golden input where there is one. */
export function checkWindows({ features, model }: ExportSource): Float32Array[] {
  const featurise = windowFeaturiser(features);
  const { sampleRateHz } = features.mel;
  const synthesised = SYNTH_KINDS.map((kind, i) => featurise(new Phonocardiogram(optionsOf(kind, { sampleRateHz, seed: i + 1 })).render(windowSpanSamples(features))));
  return model ? [Float32Array.from(model.golden.input), ...synthesised] : synthesised;
}

/** Windows spread evenly over the labelled recordings of a folder. Throws TRAINING_… as `evaluate` does. */
export async function calibrationWindows({ features }: ExportSource, folder: string): Promise<Float32Array[]> {
  const recordings = spread(openDataset(folder).recordings, CALIBRATION_WINDOWS);
  const loaded = await loadAudio(recordings, features);
  const perRecording = Math.ceil(CALIBRATION_WINDOWS / loaded.recordings.length);
  return loaded.recordings.flatMap(({ pcm }) => spread(clipWindows(pcm, features), perRecording)).slice(0, CALIBRATION_WINDOWS);
}

function spread<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]!);
}
