/** `stethostream classify`: labels of recordings, through the very pipeline that live streams take. */
import { lastValueFrom, toArray } from 'rxjs';
import { createSource } from '../../capture/source-spec.js';
import { DISCLAIMER } from '../../common/disclaimer.js';
import { createLogger } from '../../common/log.js';
import { StageError } from '../../common/stage-error.js';
import type { ModelPackage } from '../../inference/model-package.js';
import type { InferenceService } from '../../inference/service.js';
import { UNKNOWN } from '../../labels/label-stream.js';
import type { Prediction, QualityReason, StationMessage } from '../../protocol/messages.js';
import { loadConfig } from '../config.js';
import { startInference } from '../inference.js';
import { labelOptionsOf } from '../model-facts.js';
import { EXIT, percent, reportError, table } from '../output.js';
import { pipeline } from '../pipeline.js';
import type { StationConfig } from '../settings.js';

/** What is said of one recording. */
export interface ClipResult {
  file: string;
  /** Most probable label of the mean over windows, or `unknown`. */
  label: string;
  /** Why it is `unknown`, most frequent among the windows first; empty otherwise. */
  reasons: QualityReason[];
  /** Mean over windows of each label's probability. */
  probabilities: Record<string, number>;
  /** Mean quality score. */
  quality: number;
  windows: Prediction[];
  disclaimer: string;
}

export async function classify(files: string[], flags: Record<string, unknown>): Promise<void> {
  const { config } = loadConfig({ file: flags['config'] as string | undefined, environment: process.env, flags });
  const json = flags['json'] === true;
  const logger = createLogger({ level: 'warn' });
  const { model, service } = await startInference(config, logger);
  try {
    let failed = 0;
    for (const file of files) {
      try {
        show(await classifyFile(file, { config, model, service, onWarning: (warning) => process.stderr.write(`stethostream: ${warning}\n`) }), json, flags['windows'] === true);
      } catch (error) {
        // One bad file among many: say so, go on, and end with an error.
        failed += 1;
        reportError(error, json);
      }
    }
    if (!json) process.stdout.write(`${DISCLAIMER}\n`);
    if (failed > 0) process.exitCode = EXIT.failed;
  } finally {
    await service.close();
  }
}

/** Labels one file at full speed. Throws StageErrors; CAPTURE_FILE_EMPTY when it holds no sample. */
export async function classifyFile(
  file: string,
  parts: { config: Pick<StationConfig, 'labels' | 'capture'>; model: ModelPackage; service: InferenceService; onWarning?: (warning: string) => void },
): Promise<ClipResult> {
  const { config, model, service } = parts;
  const source = createSource(`file:${file}`, { speed: Infinity, ready: () => service.ready(), ...(parts.onWarning ? { onWarning: parts.onWarning } : {}) });
  const messages = await lastValueFrom(
    pipeline(source.open(), {
      features: model.manifest.features,
      channel: config.capture.channel,
      labels: labelOptionsOf(model.manifest, config.labels),
      infer: (windows$) => service.infer(windows$, { lossless: true }),
      display: false,
    }).pipe(toArray()),
  );
  return summarise(file, messages, model.manifest.labels, config.labels.unknownBelow ?? model.manifest.thresholds.unknownBelow);
}

function summarise(file: string, messages: readonly StationMessage[], labels: readonly string[], unknownBelow: number): ClipResult {
  const windows = messages.filter((message): message is Prediction => message.type === 'prediction');
  if (windows.length === 0) {
    throw new StageError({
      code: 'APP_NO_WINDOW',
      stage: 'app',
      message: `${file} gave no window to classify (${messages.filter((m) => m.type === 'drop').length} dropped)`,
      remedy: 'The file holds no sound: give one with at least one sample.',
    });
  }
  const mean = (of: (w: Prediction) => number) => windows.reduce((sum, w) => sum + of(w), 0) / windows.length;
  const probabilities = Object.fromEntries(labels.map((label) => [label, mean((w) => w.probabilities[label]!)]));
  const best = labels.reduce((a, b) => (probabilities[b]! > probabilities[a]! ? b : a));
  // Where most windows were refused by the quality gate, so is the clip.
  const refused = windows.filter((w) => w.label === UNKNOWN && w.quality.reasons.some((reason) => reason !== 'low-confidence')).length;
  const unsure = probabilities[best]! < unknownBelow;
  const known = !unsure && refused * 2 <= windows.length;
  const reasons = known ? [] : reasonsOf(windows, unsure, refused * 2 > windows.length);
  return { file, label: known ? best : UNKNOWN, reasons, probabilities, quality: mean((w) => w.quality.score), windows, disclaimer: DISCLAIMER };
}

/** What the quality gate found, where it is what refused the clip, most frequent first; then the model's own doubt. */
function reasonsOf(windows: readonly Prediction[], unsure: boolean, refused: boolean): QualityReason[] {
  const counts = new Map<QualityReason, number>();
  if (refused) for (const reason of windows.flatMap((w) => w.quality.reasons)) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  counts.delete('low-confidence');
  const found = [...counts].sort(([, a], [, b]) => b - a).map(([reason]) => reason);
  return unsure ? [...found, 'low-confidence'] : found;
}

function show(result: ClipResult, json: boolean, withWindows: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  const chances = Object.entries(result.probabilities).map(([label, p]) => `${label} ${percent(p)}`).join(', ');
  const count = result.windows.length;
  const why = result.reasons.length > 0 ? ` because of ${result.reasons.join(', ')}` : '';
  process.stdout.write(`${result.file}: ${result.label.toUpperCase()}${why}  (${chances}; ${count} window${count === 1 ? '' : 's'}, quality ${percent(result.quality)})\n`);
  if (!withWindows) return;
  const rows = result.windows.map((w) => [
    `  ${(w.window.startSample / w.window.sampleRateHz).toFixed(2)}–${(w.window.endSample / w.window.sampleRateHz).toFixed(2)} s`,
    w.label,
    `raw ${w.rawLabel}`,
    percent(w.confidence),
    `quality ${percent(w.quality.score)} ${w.quality.reasons.join(', ')}`,
  ]);
  process.stdout.write(`${table(rows)}\n`);
}
