/** The engine behind the recipe: opens a trainer for one stage and speaks in label sets. */
import type { FeatureParams } from '../features/index.js';
import { tensorFlowDevice, type TensorFlowDevice } from '../inference/engines/tensorflow-device.js';
import type { ResNetSpec } from '../inference/resnet34.js';
import type { StateDict } from '../inference/state-dict.js';
import { precisionOf } from './engine/fast-math.js';
import { engineLines, loadTensorFlow, tensorFlowStatus } from './engine/tensorflow.js';
import { createTrainer, type Trainer } from './engine/trainer.js';
import type { Learner } from './fit.js';
import { frameClassCount, type FrameClasses } from './heart-states.js';
import type { LabelSet } from './label-map.js';
import type { StageRecipe } from './recipe.js';
import type { RunLog } from './run-log.js';

/** A learner with its results. */
export interface OpenLearner extends Learner {
  /** Logits (n × labels) by the averaged weights. */
  predict(x: Float32Array, n: number): Float32Array;
  /** Probabilities of the heart states (n × frames × states) by the averaged weights; only with a frame head. */
  predictFrames(x: Float32Array, n: number): Float32Array;
  /** Means by phase (n × height·phases) by the averaged weights; only with a phase branch. */
  means(x: Float32Array, n: number): Float32Array;
  /** One step of the phase branch alone: see Trainer.stepBranch. */
  stepBranch: Trainer['stepBranch'];
  /** The averaged weights, the frame head's (`frames.…`) among them where there is one. */
  weights(options?: { frameHead?: boolean }): StateDict;
  /** Frees the engine's memory, which no garbage collector sees. */
  close(): void;
}

/** What the frame head of this network tells apart. */
export function frameClassesOf(spec: ResNetSpec): FrameClasses {
  return spec.phase ? 'phases' : 'states';
}

/** Says in the log what will compute. Throws TRAINING_TENSORFLOW_MISSING or TRAINING_TENSORFLOW_BROKEN: known at the start of a run, not after an hour. */
export function requireEngine(log: RunLog): TensorFlowDevice {
  const device = tensorFlowDevice(loadTensorFlow());
  for (const line of engineLines(device, tensorFlowStatus().build)) log.line(line);
  return device;
}

/**
 * A trainer for one stage; starts from `start`, or from random weights by `seed`. Bit i of a label set is output i.
 * `fastMath`: bfloat16 convolutions, where the processor is faster at them. `frameClasses`: outputs of the frame head,
 * where it does not learn the heart's states.
 */
export function openLearner(spec: ResNetSpec, params: FeatureParams, recipe: StageRecipe, seed: number, start: StateDict | undefined, { fastMath = false, frameClasses = frameClassCount(frameClassesOf(spec)) } = {}): OpenLearner {
  const { weightDecay, labelSmoothing, emaDecay } = recipe;
  const weight = recipe.frameHeadWeight ?? 0;
  const frameHead = weight > 0 ? { states: frameClasses, weight } : undefined;
  const trainer = createTrainer({ ...(frameHead ? { frameHead } : {}), tf: loadTensorFlow(), spec, height: params.mel.nMels, width: params.windowFrames, seed, weightDecay, labelSmoothing, emaDecay, fastMath: precisionOf(fastMath) === 'bfloat16' });
  // Known now rather than at the first step.
  trainer.requireMemory(recipe.batchSize);
  if (start) trainer.loadStateDict(start);
  return {
    step: ({ x, n, width, setsA, setsB, lambda, frameTargets }, rates) =>
      trainer.step({ x, n, ...(width === undefined ? {} : { width }), setsA: masks(setsA, spec.labels), setsB: masks(setsB, spec.labels), lambda, ...(frameHead && frameTargets ? { frameTargets } : {}) }, rates),
    save: (folder) => trainer.save(folder),
    restore: (folder) => trainer.restore(folder),
    predict: (x, n) => trainer.predict(x, n),
    predictFrames: (x, n) => trainer.predictFrames(x, n),
    means: (x, n) => trainer.means(x, n),
    stepBranch: (batch, rates) => trainer.stepBranch(batch, rates),
    weights: ({ frameHead: withHead = true } = {}) => trainer.stateDict(withHead && frameHead ? { frameHead: true } : {}),
    close: () => trainer.dispose(),
  };
}

/** One row of 0/1 per set. */
function masks(sets: readonly LabelSet[], labels: number): Float32Array {
  return Float32Array.from({ length: sets.length * labels }, (_, i) => ((sets[Math.floor(i / labels)] ?? 0) >> i % labels) & 1);
}
