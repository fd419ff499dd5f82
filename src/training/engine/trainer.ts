/**
 * The trainer: steps, predictions, checkpoints of one network, with plain typed arrays at the boundary, so that
 * recipes know nothing of TensorFlow.
 */
import { mulberry32 } from '../../common/random.js';
import { StageError } from '../../common/stage-error.js';
import { BATCH_NORM_EPS, type PhaseBranchSpec, type ResNetSpec } from '../../inference/resnet34.js';
import type { StateDict } from '../../inference/state-dict.js';
import { adamW, type AdamState, follow, type Group, groupsOf } from './adamw.js';
import { readCheckpoint, type Stored, writeCheckpoint } from './checkpoint.js';
import { fastMathSupported } from './fast-math.js';
import { frameHead, type FrameHead } from '../../inference/frame-head.js';
import { frameLoss, frameProbabilities } from './frame-loss.js';
import { type Handle, Kernels } from './kernels.js';
import { setLoss } from './loss.js';
import { requireMemory, trainingBytes } from './memory.js';
import { joinedLogits, meansByPhase, phasePass } from './phase-pass.js';
import { Network, type ParameterSource } from './network.js';
import type { TensorFlow } from './tensorflow.js';
import { Variables } from './variables.js';
import { initialise, Layout, type LoadReport, Weights } from './weights.js';

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
  /**
   * Convolutions in bfloat16 while training, where the processor has instructions for it; default false. Predictions
   * stay float32. `precision` says what came of it.
   */
  fastMath?: boolean;
  /** Learning-rate multiplier by parameter name (discriminative rates); default 1. */
  rateOf?: (name: string) => number;
  /**
   * A second head that learns one of `states` states for every input frame (frame-head.ts); its mean loss counts
   * `weight` times. Default none.
   */
  frameHead?: { states: number; weight: number };
}

/** n windows with their labels as sets, see loss.ts. */
export interface TrainingBatch {
  /** n × height × width. */
  x: Float32Array;
  n: number;
  /** Frames of these windows, at most the trainer's width (default), and such that the frame head's outputs mean the same frames. */
  width?: number;
  setsA: Float32Array;
  setsB: Float32Array;
  lambda: Float32Array;
  weight?: Float32Array;
  /**
   * For the frame head: n × width × states, row-major, the weight of every state in every frame. Rows sum to 1, to less
   * where mixup dilutes them, to 0 where the state is unknown. `weight` does not touch them. Absent = all unknown.
   */
  frameTargets?: Float32Array;
}

const PREDICT_BATCH = 32;

/** Which of the stored numbers: those that train, or their moving average. */
interface WeightSet {
  values: Variables;
  /** Running statistics of batch norm, flat. */
  statistics: Float32Array;
}

export class Trainer {
  /** What the convolutions compute in; see `fastMath`. */
  readonly precision: 'float32' | 'bfloat16';
  private readonly layout: Layout;
  private readonly kernels: Kernels;
  private readonly network: Network;
  private readonly present: WeightSet;
  private readonly average: WeightSet;
  private readonly adam: AdamState;
  private groups: Group[];
  private frozen: boolean;
  /** Steps of the phase branch. */
  private branchSteps = 0;
  /** Largest batch known to fit. */
  private fits = 0;
  private rateOf: (name: string) => number;

  constructor(private readonly options: TrainerOptions) {
    this.precision = options.fastMath && fastMathSupported() ? 'bfloat16' : 'float32';
    const head = options.frameHead && frameHead(options.spec, options.width, options.frameHead.states);
    this.layout = new Layout(options.spec, head);
    this.kernels = new Kernels(options.tf, BATCH_NORM_EPS);
    this.network = new Network(this.kernels, this.layout, options.spec);
    this.frozen = options.freezeBody ?? false;
    this.rateOf = options.rateOf ?? (() => 1);
    this.groups = this.makeGroups();
    const weights = new Weights(this.layout);
    initialise(weights, mulberry32(options.seed));
    const make = (values?: Float32Array) => new Variables(this.kernels, this.layout, values);
    const { present, average, adam } = this.guarded(() => ({
      present: { values: make(weights.values), statistics: weights.statistics.slice() },
      average: { values: make(weights.values), statistics: weights.statistics.slice() },
      adam: { first: make(), second: make(), step: 0 },
    }));
    this.present = present;
    this.average = average;
    this.adam = adam;
  }

  /**
   * One optimiser step; returns the mean loss of the batch before it: of the labels alone, and beside it that of the
   * frames (in nats per known frame, before its weight), absent where no frame has a target.
   * Throws TRAINING_BATCH_INVALID, TRAINING_OUT_OF_MEMORY, TRAINING_KERNEL_FAILED.
   */
  step(batch: TrainingBatch, rates: { learningRate: number; beta1: number }): { loss: number; frameLoss?: number } {
    this.check(batch);
    return this.guarded(() => {
      const { height, labelSmoothing = 0, clipNorm } = this.options;
      const { width = this.options.width } = batch;
      const pass = this.network.train(batch.x, [batch.n, height, width], this.source(this.present), {
        freezeConvolutions: this.frozen,
        bfloat16: this.precision === 'bfloat16',
        frames: batch.frameTargets !== undefined,
        ...this.dropoutMask(batch.n),
      });
      const { loss, gradient } = setLoss(pass.logits, batch.n, { ...batch, smoothing: labelSmoothing });
      const frames = this.frameLoss(pass.frameLogits, batch);
      const gradients = pass.backward(gradient, frames?.gradient);
      if (clipNorm !== undefined) clip(this.kernels, gradients, clipNorm);
      this.update(gradients, rates);
      return { loss, ...(frames && { frameLoss: frames.loss }) };
    });
  }

  /**
   * One optimiser step of the phase branch alone; returns the mean loss of its members before it.
   * @param batch means by phase (n × height·phases, as `means` gives them), label sets (n × labels), and the weight of
   * every row for every member, n × members.
   */
  stepBranch({ means, n, sets, weight }: { means: Float32Array; n: number; sets: Float32Array; weight: Float32Array }, rates: { learningRate: number; beta1: number }): number {
    const { spec, labelSmoothing: smoothing = 0, seed } = this.options;
    const phase = this.requireBranch();
    requireLength('means', means, n * phase.height * phase.phases);
    requireLength('sets', sets, n * spec.labels);
    requireLength('weight', weight, n * phase.members);
    return this.guarded(() => {
      const source = this.source(this.present);
      const pass = phasePass(this.kernels, spec, phase, (name) => source.read(name), means, n, mulberry32(seed * 104_729 + this.branchSteps + 1));
      // Each member is a row of its own with its window's labels.
      const each = repeated(sets, n, phase.members);
      const { loss, gradient } = setLoss(pass.logits, n * phase.members, { setsA: each, setsB: each, lambda: new Float32Array(n * phase.members).fill(1), weight, smoothing });
      const state = { ...this.adam, step: this.branchSteps };
      this.descend(pass.backward(gradient), rates, state, this.groups.filter(({ name }) => name.startsWith('phase.')));
      this.branchSteps = state.step;
      return loss;
    });
  }

  /** Means by phase of n windows, n × height·phases, by the averaged weights. */
  means(x: Float32Array, n: number): Float32Array {
    const { height, width, spec } = this.options;
    const phase = this.requireBranch();
    const source = this.source(this.average);
    return this.inBatches(x, n, phase.height * phase.phases, (part, count) => meansByPhase(spec, phase, part, this.network.predictFrames(part, [count, height, width], source), count));
  }

  /** Logits of n windows, n × labels, by the averaged weights (default) or the present ones. */
  predict(x: Float32Array, n: number, { ema = true }: { ema?: boolean } = {}): Float32Array {
    const { height, width, spec } = this.options;
    const source = this.source(ema ? this.average : this.present);
    return this.inBatches(x, n, spec.labels, (part, count) => {
      const { logits, frameLogits } = this.network.predict(part, [count, height, width], source, { frames: spec.phase !== undefined });
      if (!spec.phase || !frameLogits) return logits;
      const means = meansByPhase(spec, spec.phase, part, frameLogits, count);
      return joinedLogits(logits, phasePass(this.kernels, spec, spec.phase, (name) => source.read(name), means, count).logits, spec.labels);
    });
  }

  /**
   * Probabilities of the states of every frame of n windows, n × width × states, by the averaged weights (default) or
   * the present ones. In float32, without the last stage, which the frame head does not need.
   */
  predictFrames(x: Float32Array, n: number, { ema = true }: { ema?: boolean } = {}): Float32Array {
    const { height, width } = this.options;
    const head = this.layout.frameHead;
    if (!head) throw new Error('this trainer has no frame head');
    const source = this.source(ema ? this.average : this.present);
    return this.inBatches(x, n, width * head.states, (part, count) => frameProbabilities(this.network.predictFrames(part, [count, height, width], source), count, head));
  }

  /** The averaged weights (default) or the present ones, in torchvision's names and layouts; the frame head's on demand. */
  stateDict({ ema = true, frameHead }: { ema?: boolean; frameHead?: boolean } = {}): StateDict {
    const { values, statistics } = ema ? this.average : this.present;
    const weights = new Weights(this.layout);
    values.copyTo(weights.values);
    weights.statistics.set(statistics);
    return weights.toStateDict(frameHead === undefined ? {} : { frameHead });
  }

  /** Takes the parameters that fit and restarts optimiser and average; says which did not fit. See `Weights.load`. */
  loadStateDict(state: StateDict): LoadReport {
    const weights = new Weights(this.layout);
    this.present.values.copyTo(weights.values);
    weights.statistics.set(this.present.statistics);
    const report = weights.load(state);
    this.guarded(() => {
      for (const { values, statistics } of [this.present, this.average]) {
        values.write(weights.values);
        statistics.set(weights.statistics);
      }
    });
    this.resetOptimizer();
    return report;
  }

  resetOptimizer(): void {
    this.guarded(() => {
      this.adam.first.fill(0);
      this.adam.second.fill(0);
    });
    this.adam.step = 0;
    this.branchSteps = 0;
  }

  /** Freezes or frees the convolutions. */
  setFrozen(frozen: boolean): void {
    this.frozen = frozen;
    this.groups = this.makeGroups();
  }

  /** Changes the learning-rate multipliers. */
  setRates(rateOf: (name: string) => number): void {
    this.rateOf = rateOf;
    this.groups = this.makeGroups();
  }

  /** Writes everything a later process needs to go on with the same result; all or nothing, also when killed. */
  save(folder: string): void {
    this.guarded(() => writeCheckpoint(folder, { step: this.adam.step, seed: this.options.seed }, this.arrays()));
  }

  /** Reads what `save` wrote. Throws TRAINING_CHECKPOINT_INVALID. */
  restore(folder: string): void {
    this.adam.step = this.guarded(() => readCheckpoint(folder, this.arrays())).step;
  }

  /** Frees TensorFlow's memory: about 350 MB for a ResNet-34. The trainer is of no use afterwards. */
  dispose(): void {
    for (const variables of [this.present.values, this.average.values, this.adam.first, this.adam.second]) variables.dispose();
    this.kernels.dispose();
  }

  /** What TensorFlow holds for this trainer between steps, and the process's memory. */
  memory(): { tensors: number; variables: number; residentBytes: number } {
    return { tensors: this.kernels.liveCount, variables: this.kernels.variableCount, residentBytes: process.memoryUsage.rss() };
  }

  /** Throws TRAINING_OUT_OF_MEMORY where a step of n windows would not fit; a recipe can ask before it starts. */
  requireMemory(n: number): void {
    const { spec, height, width } = this.options;
    requireMemory(trainingBytes(this.layout, spec, [n, height, width], this.precision === 'bfloat16' ? 2 : 4), n);
    this.fits = Math.max(this.fits, n);
  }

  /** n × `each` values of n windows. Always whole batches: oneDNN prepares its code anew for every shape it meets. */
  private inBatches(x: Float32Array, n: number, each: number, run: (part: Float32Array, count: number) => Float32Array): Float32Array {
    const size = this.options.height * this.options.width;
    requireLength('x', x, n * size);
    const results = new Float32Array(n * each);
    const part = new Float32Array(Math.min(PREDICT_BATCH, n) * size);
    for (let from = 0; from < n; from += PREDICT_BATCH) {
      const windows = x.subarray(from * size, (from + PREDICT_BATCH) * size);
      part.fill(0, windows.length);
      part.set(windows);
      const some = this.guarded(() => run(part, part.length / size));
      results.set(some.subarray(0, (windows.length / size) * each), from * each);
    }
    return results;
  }

  /** Mean loss of the frames, and its gradient times its weight; undefined where none has a target. */
  private frameLoss(logits: Float32Array | undefined, { n, frameTargets, width }: TrainingBatch): { loss: number; gradient: Float32Array } | undefined {
    const head = this.headAt(width);
    const found = head && logits && frameTargets && frameLoss(logits, n, head, frameTargets);
    if (!found) return undefined;
    const factor = this.options.frameHead?.weight ?? 0;
    return { loss: found.loss, gradient: found.gradient.map((value) => factor * value) };
  }

  /** The frame head for windows of so many frames. */
  private headAt(width = this.options.width): FrameHead | undefined {
    const { frameHead: head } = this.layout;
    return head && (width === head.width ? head : frameHead(this.options.spec, width, head.states));
  }

  private requireBranch(): PhaseBranchSpec {
    const { phase } = this.options.spec;
    if (!phase) throw new Error('this network has no phase branch');
    return phase;
  }

  private update(gradients: ReadonlyMap<string, Handle>, rates: { learningRate: number; beta1: number }): void {
    const decay = this.descend(gradients, rates, this.adam, this.groups);
    const [average, present] = [this.average.statistics, this.present.statistics];
    for (let i = 0; i < average.length; i++) average[i]! += (1 - decay) * (present[i]! - average[i]!);
  }

  /** Updates the parameters of these groups and their averages; gives the decay of the latter. */
  private descend(gradients: ReadonlyMap<string, Handle>, rates: { learningRate: number; beta1: number }, state: AdamState, groups: readonly Group[]): number {
    const { adamBeta2: beta2 = 0.99, weightDecay = 0.01, emaDecay = 0.99 } = this.options;
    adamW(this.kernels, this.present.values, gradients, state, groups, rates, { beta2, epsilon: 1e-5, weightDecay });
    // Early on the average would be mostly the initial weights: let it follow faster at first.
    const decay = Math.min(emaDecay, state.step / (state.step + 9));
    follow(this.kernels, this.average.values, this.present.values, groups, decay);
    return decay;
  }

  /** What a checkpoint holds, in its order. */
  private arrays(): Stored[] {
    const plain = (array: Float32Array): Stored => ({ length: array.length, get: () => array, set: (values) => array.set(values) });
    const held = (variables: Variables): Stored => ({
      length: this.layout.trainableCount,
      get: () => {
        const values = new Float32Array(this.layout.trainableCount);
        variables.copyTo(values);
        return values;
      },
      set: (values) => variables.write(values),
    });
    const { present, average, adam } = this;
    return [held(present.values), plain(present.statistics), held(average.values), plain(average.statistics), held(adam.first), held(adam.second)];
  }

  private source({ values, statistics }: WeightSet): ParameterSource {
    return {
      read: (name) => values.read(name),
      statistic: (name) => {
        const { start, length } = this.layout.slot(name);
        return statistics.subarray(start, start + length);
      },
    };
  }

  private makeGroups(): Group[] {
    const { slots } = this.layout;
    return groupsOf(this.layout, (name) => (this.frozen && slots.get(name)?.spec.kind === 'convWeight' ? 0 : this.rateOf(name)));
  }

  /** The mask is a function of seed and step, so a resumed run draws the same. */
  private dropoutMask(n: number): { featureMask?: Float32Array } {
    const { dropout = 0, seed, spec } = this.options;
    if (dropout === 0) return {};
    const random = mulberry32(seed * 7919 + this.adam.step + 1);
    const mask = new Float32Array(n * (spec.widths.at(-1) ?? spec.stemWidth));
    for (let i = 0; i < mask.length; i++) mask[i] = random() < dropout ? 0 : 1 / (1 - dropout);
    return { featureMask: mask };
  }

  private check({ x, n, width = this.options.width, setsA, setsB, lambda, weight, frameTargets }: TrainingBatch): void {
    const { height, spec } = this.options;
    if (!(width <= this.options.width)) throw batchInvalid(`width is ${width}, at most ${this.options.width} is allowed`);
    const [head, whole] = [this.headAt(width), this.headAt()];
    if (head?.offset !== whole?.offset || head?.framesPerColumn !== whole?.framesPerColumn) throw batchInvalid(`width is ${width}, where the frame head's outputs mean other frames than at ${this.options.width}`);
    requireLength('x', x, n * height * width);
    requireLength('setsA', setsA, n * spec.labels);
    requireLength('setsB', setsB, n * spec.labels);
    requireLength('lambda', lambda, n);
    if (weight) requireLength('weight', weight, n);
    // Without a frame head none fits: targets that nobody learns from are a defect too.
    if (frameTargets) requireLength('frameTargets', frameTargets, n * width * (this.layout.frameHead?.states ?? 0));
    if (n > this.fits) this.requireMemory(n);
  }

  /** Runs something that makes tensors and frees what it leaves, also when it fails. */
  private guarded<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      // V8's own words when an array does not fit.
      if (error instanceof RangeError && /alloc|array/i.test(error.message)) throw outOfMemory(error);
      throw error;
    } finally {
      this.kernels.sweep();
    }
  }
}

/** Throws TRAINING_OUT_OF_MEMORY when the network itself does not fit. */
export function createTrainer(options: TrainerOptions): Trainer {
  return new Trainer({ ...options });
}

/** Each of n rows `times` times. */
function repeated(rows: Float32Array, n: number, times: number): Float32Array {
  const size = rows.length / n;
  return Float32Array.from({ length: rows.length * times }, (_, i) => rows[Math.floor(i / (size * times)) * size + (i % size)]!);
}

/** Scales the gradients down to a joint norm of at most `limit`. */
function clip(kernels: Kernels, gradients: Map<string, Handle>, limit: number): void {
  let square = 0;
  for (const gradient of gradients.values()) square += 2 * kernels.l2(gradient);
  const norm = Math.sqrt(square);
  if (norm <= limit) return;
  const scale = kernels.scalar(limit / norm);
  for (const [name, gradient] of gradients) {
    gradients.set(name, kernels.multiply(gradient, scale));
    kernels.free(gradient);
  }
}

function requireLength(name: string, values: Float32Array, expected: number): void {
  if (values.length !== expected) throw batchInvalid(`${name} holds ${values.length} values, ${expected} are needed`);
}

function batchInvalid(message: string): StageError {
  return new StageError({ code: 'TRAINING_BATCH_INVALID', stage: 'training', message, remedy: 'This is a defect of the recipe that made the batch: please report it with this message.' });
}

function outOfMemory(cause: RangeError): StageError {
  return new StageError({
    code: 'TRAINING_OUT_OF_MEMORY',
    stage: 'training',
    message: `no memory left: ${cause.message}`,
    remedy: 'Train with a smaller --batch-size, or close other programs.',
    cause,
  });
}
