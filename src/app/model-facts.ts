/** What the model's manifest says, in the words of labels and of the protocol. */
import { utcNow } from '../common/clock.js';
import type { Manifest } from '../inference/manifest.js';
import type { LabelOptions } from '../labels/label-stream.js';
import type { ModelDescription } from '../protocol/messages.js';
import type { StationConfig } from './settings.js';

export function modelDescription(manifest: Manifest): ModelDescription {
  const { mel, windowFrames, windowHopFrames } = manifest.features;
  const msPerFrame = (1000 * mel.hopLength) / mel.sampleRateHz;
  return {
    name: manifest.name,
    version: manifest.version,
    labels: manifest.labels,
    experimentalLabels: manifest.experimentalLabels,
    sampleRateHz: mel.sampleRateHz,
    windowMs: windowFrames * msPerFrame,
    hopMs: windowHopFrames * msPerFrame,
    nMels: mel.nMels,
    fMinHz: mel.fMinHz,
    fMaxHz: mel.fMaxHz,
    frameHopMs: msPerFrame,
  };
}

export function labelOptionsOf(manifest: Manifest, labels: StationConfig['labels']): LabelOptions {
  return {
    labels: manifest.labels,
    model: { name: manifest.name, version: manifest.version },
    unknownBelow: labels.unknownBelow ?? manifest.thresholds.unknownBelow,
    smoothing: { timeConstantMs: labels.smoothingMs, margin: labels.margin },
    now: utcNow,
  };
}
