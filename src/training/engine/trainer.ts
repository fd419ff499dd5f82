/**
 * The trainer: steps, predictions, checkpoints of one network, with plain typed arrays at the boundary, so that
 * recipes know nothing of TensorFlow.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StageError } from '../../common/stage-error.js';
import { BATCH_NORM_EPS, type ResNetSpec } from '../../inference/resnet34.js';
import type { StateDict } from '../../inference/state-dict.js';
import { adamW, type AdamState, follow, type Segment, segmentsOf } from './adamw.js';
import { Kernels } from './kernels.js';
import { setLoss } from './loss.js';
import { Network } from './network.js';
import type { TensorFlow } from './tensorflow.js';
import { initialise, Layout, Weights } from './weights.js';

export interface TrainerOptions {
  tf: TensorFlow;
  spec: ResNetSpec;
  /** Input height (mel bands) and width (frames). */
  height: number;
  width: number;
  seed: number;
  /** Decoupled weight decay; default 0.01. */
  weightDecay?: number;
  /** Label smoothing ε; default 0. */
  labelSmoothing?: number;
  /** Probability of dropping a pooled feature; default 0. */
  dropout?: number;
  /** Decay of the moving average of the weights; default 0.99. */
  emaDecay?: number;
  adamBeta2?: number;
  /** Largest norm of the gradient; default none. */
  clipNorm?: number;
  /** Convolutions keep their weights, batch norm and head learn (fastai's frozen body); default false. */
  freezeBody?: boolean;
  /** Learning-rate multiplier by parameter name (discriminative rates); default 1. */
  rateOf?: (name: string) => number;
}

/** n windows with their labels as sets, see loss.ts. */
export interface TrainingBatch {
  /** n × height × width. */
  x: Float32Array;
  n: number;
  setsA: Float32Array;
  setsB: Float32Array;
  lambda: Float32Array;
  weight?: Float32Array;
}

const CHECKPOINT = { arrays: 'trainer.bin', state: 'trainer.json' };
const PREDICT_BATCH = 32;

export class Trainer {
  private readonly layout: Layout;
  private readonly network: Network;
  private readonly weights: Weights;
  private readonly average: Weights;
  private readonly gradients: Float32Array;
  private readonly adam: AdamState;
  private segments: Segment[];
  private frozen: boolean;

  constructor(private readonly options: TrainerOptions) {
    this.layout = new Layout(options.spec);
    this.network = new Network(new Kernels(options.tf, BATCH_NORM_EPS), this.layout, options.spec);
    this.weights = new Weights(this.layout);
    this.average = new Weights(this.layout);
    const count = this.layout.trainableCount;
    this.gradients = new Float32Array(count);
    this.adam = { first: new Float32Array(count), second: new Float32Array(count), step: 0 };
    initialise(this.weights, uniform(options.seed));
    this.average.copyFrom(this.weights);
    this.frozen = options.freezeBody ?? false;
    this.segments = this.makeSegments();
  }

  /** One optimiser step; returns the mean loss of the batch before it. */
  step(batch: TrainingBatch, rates: { learningRate: number; beta1: number }): { loss: number } {
    const { height, width, labelSmoothing = 0, clipNorm, emaDecay = 0.99 } = this.options;
    const pass = this.network.train(batch.x, [batch.n, height, width], this.weights, this.gradients, {
      freezeConvolutions: this.frozen,
      ...this.dropoutMask(batch.n),
    });
    const { loss, gradient } = setLoss(pass.logits, batch.n, { ...batch, smoothing: labelSmoothing });
    pass.backward(gradient);
    if (clipNorm !== undefined) clip(this.gradients, clipNorm);
    const { adamBeta2: beta2 = 0.99, weightDecay = 0.01 } = this.options;
    adamW(this.weights.values, this.gradients, this.adam, this.segments, rates, { beta2, epsilon: 1e-5, weightDecay });
    // Early on the average would be mostly the initial weights: let it follow faster at first.
    const decay = Math.min(emaDecay, this.adam.step / (this.adam.step + 9));
    follow(this.average.values, this.weights.values, decay);
    follow(this.average.statistics, this.weights.statistics, decay);
    return { loss };
  }

  /** Logits of n windows, n × labels, by the averaged weights (default) or the present ones. */
  predict(x: Float32Array, n: number, { ema = true }: { ema?: boolean } = {}): Float32Array {
    const { height, width, spec } = this.options;
    const logits = new Float32Array(n * spec.labels);
    for (let from = 0; from < n; from += PREDICT_BATCH) {
      const count = Math.min(PREDICT_BATCH, n - from);
      const part = x.slice(from * height * width, (from + count) * height * width);
      logits.set(this.network.predict(part, [count, height, width], ema ? this.average : this.weights), from * spec.labels);
    }
    return logits;
  }

  stateDict({ ema = true }: { ema?: boolean } = {}): StateDict {
    return (ema ? this.average : this.weights).toStateDict();
  }

  /** Takes the parameters that fit and restarts optimiser and average; says which did not fit. */
  loadStateDict(state: StateDict): { loaded: string[]; missing: string[]; mismatched: string[] } {
    const report = this.weights.load(state);
    this.average.copyFrom(this.weights);
    this.resetOptimizer();
    return report;
  }

  resetOptimizer(): void {
    this.adam.first.fill(0);
    this.adam.second.fill(0);
    this.adam.step = 0;
  }

  /** Freezes or frees the convolutions. */
  setFrozen(frozen: boolean): void {
    this.gradients.fill(0);
    this.frozen = frozen;
    this.segments = this.makeSegments();
  }

  /** Changes the learning-rate multipliers. */
  setRates(rateOf: (name: string) => number): void {
    this.options.rateOf = rateOf;
    this.segments = this.makeSegments();
  }

  /** Writes everything a later process needs to go on with the same result. */
  save(folder: string): void {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, CHECKPOINT.arrays), Buffer.concat(this.arrays().map((a) => Buffer.from(a.buffer, a.byteOffset, a.byteLength))));
    writeFileSync(join(folder, CHECKPOINT.state), JSON.stringify({ step: this.adam.step, lengths: this.arrays().map((a) => a.length) }));
  }

  /** Reads what `save` wrote. Throws TRAINING_CHECKPOINT_INVALID. */
  restore(folder: string): void {
    const { step, lengths } = JSON.parse(readFileSync(join(folder, CHECKPOINT.state), 'utf8')) as { step: number; lengths: number[] };
    const bytes = readFileSync(join(folder, CHECKPOINT.arrays));
    const arrays = this.arrays();
    const expected = arrays.map((a) => a.length);
    if (lengths.join() !== expected.join() || bytes.byteLength !== 4 * expected.reduce((a, b) => a + b, 0)) {
      throw new StageError({
        code: 'TRAINING_CHECKPOINT_INVALID',
        stage: 'training',
        message: `the checkpoint in ${folder} holds ${bytes.byteLength} bytes for arrays of ${lengths.join(', ')} values; this network needs ${expected.join(', ')}`,
        remedy: 'Use the architecture that the run was started with, or start again in a fresh run folder.',
      });
    }
    let at = 0;
    for (const array of arrays) {
      bytes.copy(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), 0, at, at + array.byteLength);
      at += array.byteLength;
    }
    this.adam.step = step;
  }

  private arrays(): Float32Array[] {
    const { weights, average, adam } = this;
    return [weights.values, weights.statistics, average.values, average.statistics, adam.first, adam.second];
  }

  private makeSegments(): Segment[] {
    const rateOf = this.options.rateOf ?? (() => 1);
    const { slots } = this.layout;
    return segmentsOf(this.layout, (name) => (this.frozen && slots.get(name)?.spec.kind === 'convWeight' ? 0 : rateOf(name)));
  }

  /** The mask is a function of seed and step, so a resumed run draws the same. */
  private dropoutMask(n: number): { featureMask?: Float32Array } {
    const { dropout = 0, seed, spec } = this.options;
    if (dropout === 0) return {};
    const random = uniform(seed * 7919 + this.adam.step + 1);
    const mask = new Float32Array(n * (spec.widths.at(-1) ?? spec.stemWidth));
    for (let i = 0; i < mask.length; i++) mask[i] = random() < dropout ? 0 : 1 / (1 - dropout);
    return { featureMask: mask };
  }
}

export function createTrainer(options: TrainerOptions): Trainer {
  return new Trainer({ ...options });
}

function clip(gradients: Float32Array, limit: number): void {
  let square = 0;
  for (let i = 0; i < gradients.length; i++) square += gradients[i]! * gradients[i]!;
  const norm = Math.sqrt(square);
  if (norm <= limit) return;
  const scale = limit / norm;
  for (let i = 0; i < gradients.length; i++) gradients[i]! *= scale;
}

/** Mulberry32 (Tommy Ettinger), uniform in [0, 1). */
function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
