/** The stage of self-supervised pre-training: batches of the sampler, with frames hidden, and the loss of telling their kinds. */
import { LABELS } from './label-map.js';
import type { OpenLearner } from './learner.js';
import { hideFrames, makeCodebook } from './masked-frames.js';
import { createSampler, type Clip } from './sampler.js';
import { trainStage, type TrainStageOptions } from './train-stage.js';
import type { StageProgress } from './fit.js';

/** All labels together: nothing is learnt of them. */
const ANY_LABEL = (1 << LABELS.length) - 1;
/** Batches that the kinds of frame are found from, and their first number: beyond those of any stage. */
const CODEBOOK_BATCHES = 60;
const CODEBOOK_FROM = 1_000_000;

/** @param learner with a frame head of FRAME_KINDS outputs. Throws as trainStage. */
export function listenStage(learner: OpenLearner, { clips: labelled, ...stage }: Omit<TrainStageOptions, 'prepare'>): Promise<StageProgress> {
  const { params, recipe, sampling } = stage;
  const clips = labelled.map((clip): Clip => ({ ...clip, set: ANY_LABEL, label: 'any' }));
  const size = { nMels: params.mel.nMels, windowFrames: params.windowFrames };
  const sampler = createSampler(clips, params, { ...sampling, batchSize: recipe.batchSize, augmentation: recipe.augmentation, ...recipe.sampling });
  const batches = Array.from({ length: CODEBOOK_BATCHES }, (_, i) => sampler.batch(CODEBOOK_FROM + i));
  const codebook = makeCodebook(batches, size, sampling.seed);
  return trainStage(telling(learner), { ...stage, clips, prepare: (batch, step) => hideFrames(batch, codebook, size, sampling.seed, step) });
}

/** The same learner whose loss is that of the frames. */
function telling(learner: OpenLearner): OpenLearner {
  return {
    ...learner,
    step: async (batch, rates) => {
      const loss = await learner.step(batch, rates);
      return typeof loss === 'number' ? loss : (loss.frameLoss ?? loss.loss);
    },
  };
}
