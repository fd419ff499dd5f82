/** Replays synthesised sound through the whole pipeline as fast as it goes: PCM in, predictions out, batched. */
import { takeUntil, tap, timer, lastValueFrom, count } from 'rxjs';
import { pcmReader } from '../../capture/files/file-source.js';
import { paced } from '../../capture/paced.js';
import { Phonocardiogram } from '../../capture/synth/phonocardiogram.js';
import type { ModelPackage } from '../../inference/model-package.js';
import type { InferenceService } from '../../inference/service.js';
import { labelOptionsOf } from '../model-facts.js';
import { pipeline } from '../pipeline.js';

const RATE_HZ = 4000;

/** One minute of a heart, rendered once, so that the synthesiser is not measured. */
export function minuteOfSound(): Float32Array {
  return new Phonocardiogram({ seed: 1, sampleRateHz: RATE_HZ }).render(60 * RATE_HZ);
}

/** Predictions made in about `seconds`, and the seconds they took; `onPrediction` sees each. */
export async function replay(
  parts: { model: ModelPackage; service: InferenceService; sound: Float32Array },
  seconds: number,
  onPrediction: () => void = () => undefined,
): Promise<{ predictions: number; seconds: number }> {
  const { model, service, sound } = parts;
  const audio = { samples: sound, channels: 1, sampleRateHz: RATE_HZ };
  const items$ = paced(() => pcmReader(audio, true), { streamId: 'bench', speed: Infinity, ready: () => service.ready() });
  const from = performance.now();
  const predictions = await lastValueFrom(
    pipeline(items$.pipe(takeUntil(timer(1000 * seconds))), {
      features: model.manifest.features,
      channel: 'mix',
      labels: labelOptionsOf(model.manifest, { smoothingMs: 500, margin: 0.1, unknownBelow: null }),
      infer: (windows$) => service.infer(windows$, { lossless: true }),
      display: false,
    }).pipe(tap(onPrediction), count((message) => message.type === 'prediction')),
  );
  return { predictions, seconds: (performance.now() - from) / 1000 };
}
