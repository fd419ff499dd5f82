/** What the features stage offers to the stages after it. */
export * from './types.js';
export { articleFeatures, heartFeatures } from './presets.js';
export { validateDbParams, validateFeatureParams, validateMelParams, windowSpanSamples } from './params.js';
export { hzToMel, melEdgesHz, melFilterBank, melToHz, type MelFilterBank } from './mel-filter-bank.js';
export { hannWindow } from './analysis-window.js';
export { frameCount, melSpectrogram, type MelSpectrogram } from './mel-spectrogram.js';
export { powerToDb } from './decibels.js';
export { WindowFeatures } from './window-features.js';
export { melDecibels, offlineWindows, windowInput } from './offline.js';
export { FeatureStream } from './feature-stream.js';
export { features } from './features.js';
