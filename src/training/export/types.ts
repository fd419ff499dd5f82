/** The contract between the export formats and the code that runs them. */
import type { ExportSource } from './source.js';

export const EXPORT_FORMATS = ['onnx-fp32', 'onnx-fp16', 'onnx-int8', 'layers-model', 'saved-model'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** A file of an export, below the export's target. */
export interface ExportFile {
  /** Relative path; empty where the target itself is the file. */
  path: string;
  data: Uint8Array | string;
}

/** What a format's writer gives. */
export interface Written {
  files: ExportFile[];
  /** What exactly it is, in a sentence without full stop. */
  description: string;
}

/** Name of a format's file or folder below --output. */
export const TARGETS: Readonly<Record<ExportFormat, string>> = {
  'onnx-fp32': 'model-fp32.onnx',
  'onnx-fp16': 'model-fp16.onnx',
  'onnx-int8': 'model-int8.onnx',
  'layers-model': 'layers-model',
  'saved-model': 'saved-model',
};

/** Sizes of one input. */
export function inputSize({ features }: Pick<ExportSource, 'features'>): { height: number; width: number } {
  return { height: features.mel.nMels, width: features.windowFrames };
}
