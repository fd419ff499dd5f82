/** What is exported: folded weights and what the model's user must know, from a model package or a training run. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { StageError } from '../../common/stage-error.js';
import { heartFeatures, type FeatureParams } from '../../features/index.js';
import { foldBatchNorm } from '../../inference/fold-batch-norm.js';
import { loadModelPackage, type ModelPackage } from '../../inference/model-package.js';
import { readOnnxWeights } from '../../inference/onnx-weights.js';
import type { ResNetSpec } from '../../inference/resnet34.js';
import { specOf } from '../../inference/spec-of.js';
import { readSafetensors } from '../../inference/safetensors.js';
import type { StateDict } from '../../inference/state-dict.js';
import { LABELS } from '../label-map.js';

export interface ExportSource {
  /** Absolute path of what was named. */
  path: string;
  name: string;
  /** Folded weights: `<conv>.weight` (OIHW), `<conv>.bias`, `fc.weight`, `fc.bias`. */
  folded: StateDict;
  spec: ResNetSpec;
  features: FeatureParams;
  labels: string[];
  /** probabilities = softmax(logits / temperature); 1 where a run was not calibrated yet. */
  temperature: number;
  /** Precision of the source's weights: exports cannot be finer. */
  precision: 'fp16 or fp32, as in the package' | 'fp32';
  /** The package, where it is one. */
  model: ModelPackage | null;
}

/**
 * @param path model package, run folder of `train --preset heart` (or one phase of it), or weights.safetensors of one.
 * @throws StageError TRAINING_EXPORT_SOURCE, or INFERENCE_… for damaged packages and weights.
 */
export async function readSource(path: string): Promise<ExportSource> {
  const absolute = resolve(path);
  if (existsSync(join(absolute, 'manifest.json'))) return fromPackage(await loadModelPackage(absolute));
  const candidates = absolute.endsWith('.safetensors') ? [absolute] : [join(absolute, 'weights.safetensors'), join(absolute, 'final', 'weights.safetensors')];
  const file = candidates.find((candidate) => existsSync(candidate) && statSync(candidate).isFile());
  if (file === undefined) throw unsuitable(`${absolute} is neither a model package (manifest.json) nor holds ${candidates.map((c) => basename(dirname(c)) + '/' + basename(c)).join(' or ')}`);
  return fromWeights(absolute, file);
}

async function fromPackage(model: ModelPackage): Promise<ExportSource> {
  const { manifest, folder } = model;
  const folded = readOnnxWeights(await readFile(model.onnxFile));
  return {
    path: folder,
    name: manifest.name,
    folded,
    spec: checkedSpec(folded, manifest.features, manifest.labels.length, model.onnxFile),
    features: manifest.features,
    labels: manifest.labels,
    temperature: manifest.output.temperature,
    precision: 'fp16 or fp32, as in the package',
    model,
  };
}

async function fromWeights(path: string, file: string): Promise<ExportSource> {
  const { tensors } = await readSafetensors(file);
  const run = runOf(file);
  const features = run?.features ?? heartFeatures;
  const folded = foldBatchNorm(tensors, checkedSpec(tensors, features, LABELS.length, file));
  return {
    path,
    name: basename(run?.folder ?? dirname(file)),
    folded,
    // Folding joins the members of a phase branch.
    spec: checkedSpec(folded, features, LABELS.length, file),
    features,
    labels: [...LABELS],
    temperature: run?.temperature ?? 1,
    precision: 'fp32',
    model: null,
  };
}

function checkedSpec(state: StateDict, features: FeatureParams, labels: number, file: string): ResNetSpec {
  const spec = specOf(state, { height: features.mel.nMels, width: features.windowFrames });
  if (spec.labels === labels && spec.inputChannels === 1 && spec.widths.length > 0) return spec;
  throw unsuitable(`${file} holds ${spec.widths.length} stages, ${spec.inputChannels} input channels and ${spec.labels} outputs; expected are a ResNet of basic blocks, 1 channel and ${labels} outputs`);
}

interface Run {
  folder: string;
  features: FeatureParams;
  temperature: number;
}

/** The run that a weights file belongs to: its own folder or the one above holds run.json. */
function runOf(file: string): Run | null {
  const folder = [dirname(file), dirname(dirname(file))].find((candidate) => existsSync(join(candidate, 'run.json')));
  if (folder === undefined) return null;
  const { features } = json(join(folder, 'run.json')) as { features?: FeatureParams };
  if (features === undefined) throw unsuitable(`${join(folder, 'run.json')} names no features, as a run of the recipe \`heart\` does`);
  const results = join(folder, 'results.json');
  // Cross-validated temperature of the whole run: right for its final weights, and the only one there is for the others.
  const { calibration } = (existsSync(results) ? json(results) : {}) as { calibration?: { temperature: number } };
  return { folder, features, temperature: calibration?.temperature ?? 1 };
}

function json(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as unknown;
  } catch (cause) {
    throw unsuitable(`${file} cannot be read: ${(cause as Error).message}`);
  }
}

function unsuitable(message: string): StageError {
  return new StageError({
    code: 'TRAINING_EXPORT_SOURCE',
    stage: 'training',
    message,
    remedy: 'Name a model package, the folder of a finished `stethostream train --preset heart`, or its weights.safetensors.',
  });
}
