/**
 * TensorFlow.js LayersModel: model.json with topology and weight manifest, and weights in shards of at most 4 MB (what
 * browsers cache). Format: the classes IOHandler and ModelJSON of @tensorflow/tfjs-core (src/io/types.ts); layer
 * configurations in Keras' spelling. Input [null, height, width, 1], output logits.
 */
import { VERSION } from '../../common/version.js';
import { phaseFrameHead } from '../../inference/phase-branch.js';
import { basicBlocks, stem, type BasicBlockSpec, type ConvBnSpec, type PhaseBranchSpec } from '../../inference/resnet34.js';
import { packFloat32 } from '../../inference/safetensors.js';
import type { Tensor } from '../../inference/state-dict.js';
import { channelsLast, type ChannelsLastWeights } from './channels-last.js';
import type { ExportSource } from './source.js';
import { inputSize, type ExportFile, type Written } from './types.js';

const SHARD_BYTES = 4 * 1024 * 1024;

/** Files of a folder. Throws INFERENCE_WEIGHTS_INVALID. */
export function layersModelExport(source: ExportSource): Written {
  const weights = channelsLast(source.folded, source.spec);
  const layers = new Topology(inputSize(source), weights);
  layers.build(source.spec);
  const shards = sharded(layers.weights.map(({ tensor }) => packFloat32(tensor.data)));
  const model = {
    format: 'layers-model',
    generatedBy: `stethostream ${VERSION}`,
    convertedBy: null,
    modelTopology: {
      keras_version: '2.15.0',
      backend: 'tensorflow',
      model_config: { class_name: 'Functional', config: { name: 'resnet', trainable: false, layers: layers.layers, input_layers: [['input', 0, 0]], output_layers: [['logits', 0, 0]] } },
    },
    weightsManifest: [{ paths: shards.map(({ path }) => path), weights: layers.weights.map(({ name, tensor }) => ({ name, shape: tensor.shape, dtype: 'float32' })) }],
    userDefinedMetadata: { labels: source.labels, temperature: source.temperature },
  };
  return {
    files: [{ path: 'model.json', data: JSON.stringify(model) }, ...shards],
    description: `TensorFlow.js LayersModel, fp32, ${shards.length} shards of at most 4 MB`,
  };
}

/** Collects layers; every method returns the name of its layer. */
class Topology {
  readonly layers: object[] = [];
  readonly weights: { name: string; tensor: Tensor }[] = [];

  constructor(
    private readonly size: { height: number; width: number },
    private readonly tensors: ChannelsLastWeights,
  ) {}

  build(spec: ExportSource['spec']): void {
    this.layers.push({ name: 'input', class_name: 'InputLayer', config: { batch_input_shape: [null, this.size.height, this.size.width, 1], dtype: 'float32', sparse: false, name: 'input' }, inbound_nodes: [] });
    let x = this.relu('stem_relu', this.conv(stem(spec), 'input'));
    // After a relu nothing is negative, so padding with zero is as good as with −∞.
    x = this.layer('MaxPooling2D', 'maxpool', [this.pad('maxpool_pad', 1, x)], { pool_size: [3, 3], strides: [2, 2], padding: 'valid', data_format: 'channels_last' });
    const heard = spec.phase && phaseFrameHead(spec, spec.phase).after;
    let features = '';
    for (const block of basicBlocks(spec)) {
      x = this.block(block, x);
      if (block.name === heard) features = x;
    }
    x = this.layer('GlobalAveragePooling2D', 'avgpool', [x], { data_format: 'channels_last' });
    const trunk = this.dense(spec.phase ? 'fc' : 'logits', this.tensors.fc, x);
    if (spec.phase) this.layer('Add', 'logits', [trunk, this.phaseBranch(spec, spec.phase, features)], {});
  }

  /** Logits of the phase branch (src/inference/phase-branch.ts). Keras' softmax and dot are over the last axis: time. */
  private phaseBranch(spec: ExportSource['spec'], { height, width, phases }: PhaseBranchSpec, features: string): string {
    const { channels, columns, framesPerColumn, offset } = phaseFrameHead(spec, { height, width, phases, members: 1, hidden: 1 });
    const rows = columns * framesPerColumn;
    const bands = this.rowsOf(spec);
    const mean = this.layer('AveragePooling2D', 'phase_bands', [features], { pool_size: [bands, 1], strides: [bands, 1], padding: 'valid', data_format: 'channels_last' });
    const frames = this.dense('frames', this.tensors.phase.get('frames')!, this.reshape('phase_columns', [columns, channels], mean));
    const known = this.layer('Cropping2D', 'phase_known', [this.reshape('phase_all', [rows, 1, phases], frames)], { cropping: [[offset, rows - offset - width], [0, 0]], data_format: 'channels_last' });
    const sureness = this.layer('Activation', 'phase_sureness', [this.reshape('phase_frames', [width, phases], known)], { activation: 'log_softmax' });
    const shares = this.layer('Softmax', 'phase_shares', [this.layer('Permute', 'phase_time_last', [sureness], { dims: [2, 1] })], { axis: -1 });
    const means = this.layer('Dot', 'phase_mean', [this.reshape('phase_input', [height, width], 'input'), shares], { axes: [2, 2], normalize: false });
    const hidden = this.dense('phase.hidden', this.tensors.phase.get('phase.hidden')!, this.layer('Flatten', 'phase_means', [means], {}));
    return this.dense('phase.out', this.tensors.phase.get('phase.out')!, this.relu('phase_relu', hidden));
  }

  /** Height of the picture that the frame head reads: halved by the stem, its pool, and every stage but the first and last. */
  private rowsOf({ widths }: ExportSource['spec']): number {
    let rows = this.size.height;
    for (let i = 0; i < 2 + Math.max(0, widths.length - 2); i++) rows = Math.ceil(rows / 2);
    return rows;
  }

  private reshape(name: string, shape: number[], x: string): string {
    return this.layer('Reshape', name, [x], { target_shape: shape });
  }

  private dense(layer: string, { kernel, bias }: { kernel: Tensor; bias: Tensor }, x: string): string {
    const name = layerName(layer);
    this.weights.push({ name: `${name}/kernel`, tensor: kernel }, { name: `${name}/bias`, tensor: bias });
    return this.layer('Dense', name, [x], { units: bias.shape[0], activation: 'linear', use_bias: true });
  }

  private block(block: BasicBlockSpec, x: string): string {
    const name = layerName(block.name);
    const main = this.conv(block.second, this.relu(`${name}_relu1`, this.conv(block.first, x)));
    const shortcut = block.downsample ? this.conv(block.downsample, x) : x;
    return this.relu(`${name}_relu2`, this.layer('Add', `${name}_add`, [main, shortcut], {}));
  }

  private conv({ conv, outChannels, kernel: side, stride, pad }: ConvBnSpec, x: string): string {
    const name = layerName(conv);
    const input = pad === 0 ? x : this.pad(`${name}_pad`, pad, x);
    const { kernel, bias } = this.tensors.convolutions.get(conv)!;
    this.weights.push({ name: `${name}/kernel`, tensor: kernel }, { name: `${name}/bias`, tensor: bias });
    return this.layer('Conv2D', name, [input], { filters: outChannels, kernel_size: [side, side], strides: [stride, stride], padding: 'valid', data_format: 'channels_last', dilation_rate: [1, 1], activation: 'linear', use_bias: true });
  }

  private pad(name: string, pad: number, x: string): string {
    return this.layer('ZeroPadding2D', name, [x], { padding: [[pad, pad], [pad, pad]], data_format: 'channels_last' });
  }

  private relu(name: string, x: string): string {
    return this.layer('ReLU', name, [x], {});
  }

  private layer(className: string, name: string, inputs: string[], config: object): string {
    const inbound = [inputs.map((input) => [input, 0, 0, {}])];
    this.layers.push({ name, class_name: className, config: { name, trainable: false, ...config }, inbound_nodes: inbound });
    return name;
  }
}

/** Keras takes no dots in names. */
function layerName(name: string): string {
  return name.replaceAll('.', '_');
}

/** All weights end to end, cut every 4 MB. */
function sharded(parts: readonly Uint8Array[]): ExportFile[] {
  const all = Buffer.concat(parts);
  const count = Math.max(1, Math.ceil(all.length / SHARD_BYTES));
  return Array.from({ length: count }, (_, i) => ({
    path: `group1-shard${i + 1}of${count}.bin`,
    data: all.subarray(i * SHARD_BYTES, (i + 1) * SHARD_BYTES),
  }));
}
