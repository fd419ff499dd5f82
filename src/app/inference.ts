/** Starts the shared inference service from the configuration, and tells the log what was chosen and why. */
import { builtModule } from '../common/paths.js';
import type { Logger } from '../common/log.js';
import { defaultModelFolder, loadModelPackage, type ModelPackage } from '../inference/model-package.js';
import { InferenceService } from '../inference/service.js';
import type { StationConfig } from './settings.js';

/** Loads and verifies the model, starts the engine in its worker; throws StageErrors (stage inference). */
export async function startInference(
  config: Pick<StationConfig, 'model' | 'engine' | 'threads' | 'batching'>,
  logger: Logger,
): Promise<{ model: ModelPackage; service: InferenceService }> {
  const model = await loadModelPackage(await defaultModelFolder(config.model));
  const { maxBatchSize, maxQueueDelayMs, maxQueuePerStream } = config.batching;
  const service = await InferenceService.start({
    model,
    engine: config.engine,
    threads: config.threads,
    // Inference may not import training; the file of its loader is handed over instead.
    tensorFlowLoader: builtModule('training/engine/tensorflow'),
    batching: { maxBatchSize, maxQueueDelayMs, maxQueuePerStream },
  });
  for (const { engine, ok, reason } of service.attempts) logger[ok ? 'info' : 'debug']({ stage: 'inference', engine, ok }, reason);
  service.events$.subscribe((event) => {
    if (event.kind === 'ready') logger.info({ stage: 'inference', restarts: event.restarts }, 'engine ready');
    else logger.error({ stage: 'inference', code: event.error.code }, event.error.message);
  });
  return { model, service };
}
