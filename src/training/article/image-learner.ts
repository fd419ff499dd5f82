/** The trainer on batches of pictures, and the order in which they come. */
import type { ResNetSpec } from '../../inference/resnet34.js';
import { loadTensorFlow } from '../engine/tensorflow.js';
import { createTrainer, type Trainer } from '../engine/trainer.js';
import type { Learner } from '../fit.js';
import type { LabelSet } from '../label-map.js';
import { Random } from '../random.js';
import type { Batch } from '../sampler.js';
import { networkInput, type Picture } from './images.js';
import type { ArticleSettings } from './options.js';

/** A clip to learn from or to judge. */
export interface PictureItem {
  picture: Picture;
  set: LabelSet;
}

/** Batch `step` of an endless row of epochs, each in its own order; the last, smaller batch of an epoch is left out. */
export class PictureBatches {
  readonly stepsPerEpoch: number;

  constructor(
    private readonly items: readonly PictureItem[],
    private readonly options: { batchSize: number; imageSize: number; seed: number },
  ) {
    this.stepsPerEpoch = Math.max(1, Math.floor(items.length / options.batchSize));
  }

  batch(step: number): Batch {
    const { batchSize, imageSize, seed } = this.options;
    const epoch = Math.floor(step / this.stepsPerEpoch);
    const order = new Random(seed, 0xa11, epoch).shuffle(Array.from(this.items.keys()));
    const from = (step % this.stepsPerEpoch) * batchSize;
    const chosen = order.slice(from, from + batchSize).map((index) => this.items[index] as PictureItem);
    const sets = chosen.map((item) => item.set);
    return { x: networkInput(chosen.map((item) => item.picture), imageSize), n: chosen.length, setsA: sets, setsB: sets, lambda: new Float32Array(chosen.length).fill(1) };
  }
}

export class PictureLearner implements Learner {
  readonly trainer: Trainer;

  /** @param classes label sets in output order. */
  constructor(
    spec: ResNetSpec,
    private readonly classes: readonly LabelSet[],
    private readonly settings: ArticleSettings,
  ) {
    const { imageSize, seed, weightDecay, dropout } = settings;
    // No average of the weights: the article's recipe has none, and predictions below use the present ones.
    this.trainer = createTrainer({ tf: loadTensorFlow(), spec, height: imageSize, width: imageSize, seed, weightDecay, dropout, emaDecay: 0, clipNorm: 10 });
    // Known now rather than at the first step: 512 × 512 takes gigabytes.
    this.trainer.requireMemory(settings.batchSize);
  }

  step({ x, n, setsA, lambda }: Batch, rates: { learningRate: number; beta1: number }): number {
    const masks = new Float32Array(n * this.classes.length);
    setsA.forEach((set, row) => (masks[row * this.classes.length + this.classes.indexOf(set)] = 1));
    return this.trainer.step({ x, n, setsA: masks, setsB: masks, lambda }, rates).loss;
  }

  save(folder: string): void {
    this.trainer.save(folder);
  }

  restore(folder: string): void {
    this.trainer.restore(folder);
  }

  /** Probabilities per class of each picture, a batch at a time: 512 × 512 is a lot of memory. */
  probabilities(pictures: readonly Picture[], onProgress?: (done: number) => void): Float32Array[] {
    const { batchSize, imageSize } = this.settings;
    const all: Float32Array[] = [];
    for (let from = 0; from < pictures.length; from += batchSize) {
      const some = pictures.slice(from, from + batchSize);
      const logits = this.trainer.predict(networkInput(some, imageSize), some.length, { ema: false });
      some.forEach((_, row) => all.push(softmax(logits.subarray(row * this.classes.length, (row + 1) * this.classes.length))));
      onProgress?.(all.length);
    }
    return all;
  }
}

function softmax(logits: Float32Array): Float32Array {
  const top = logits.reduce((max, x) => Math.max(max, x), -Infinity);
  const powers = logits.map((x) => Math.exp(x - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((x) => x / sum);
}
