/** One stage of a recipe, from its clips to a trained learner: feed, one-cycle, checkpoints, log. */
import { oneCycle } from './engine/schedule.js';
import { withBatchFeed, type BatchFeedOptions } from './feed/batch-feed.js';
import { runStage, type StageProgress } from './fit.js';
import type { OpenLearner } from './learner.js';
import type { StageRecipe } from './recipe.js';
import type { RunLog, WorkOf } from './run-log.js';
import type { Batch, SamplerSettings } from './sampler.js';

export interface TrainStageOptions extends Pick<BatchFeedOptions, 'clips' | 'params'> {
  /** For the log, e.g. `pretrain`. */
  name: string;
  /** Folder of the checkpoints. */
  folder: string;
  recipe: StageRecipe;
  /** What the recipe leaves open. */
  sampling: Pick<SamplerSettings, 'seed' | 'frameClasses' | 'segmentLengths'>;
  checkpointEverySteps: number;
  log: RunLog;
  /** What becomes of a batch before its step; default: nothing. */
  prepare?: (batch: Batch, step: number) => Batch;
  /** Of the steps; default: all take as long. */
  workOf?: WorkOf;
}

/** Trains by the recipe, from the last checkpoint if there is one. Throws as withBatchFeed and runStage. */
export function trainStage(learner: OpenLearner, { name, folder, recipe, clips, params, sampling, checkpointEverySteps, log, prepare = (batch) => batch, workOf }: TrainStageOptions): Promise<StageProgress> {
  const { batchSize, augmentation, maxLearningRate } = recipe;
  const steps = Math.max(1, Math.round(recipe.windows / batchSize));
  log.line(`${name}: ${clips.length} clips, ${steps} steps of ${batchSize} windows`);
  const options = { ...sampling, batchSize, augmentation, ...recipe.sampling };
  const onRestart: BatchFeedOptions['onRestart'] = ({ message }) => log.line(`${name}: ${message}; it is started again`);
  return withBatchFeed({ clips, params, options, steps, onRestart }, (feed) => {
    for (const cell of feed.shares) log.line(`  ${(cell.share * 100).toFixed(1).padStart(5)} %  ${String(cell.clips).padStart(4)} clips  ${cell.name}`);
    return runStage(learner, {
      name,
      folder,
      steps,
      batchSize,
      schedule: oneCycle({ steps, maxLearningRate }),
      ...(workOf ? { workOf } : {}),
      batch: async (step) => prepare(await feed.batch(step), step),
      checkpointEverySteps,
      log,
    });
  });
}
