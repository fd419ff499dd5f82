/** A model package read from disk and verified: manifest, hashes, golden. (Loader: to be written by the inference work.) */
import type { Golden, Manifest } from './manifest.js';

export interface ModelPackage {
  /** Absolute folder. */
  readonly folder: string;
  readonly manifest: Manifest;
  /** Absolute path of the ONNX file, its hash verified. */
  readonly onnxFile: string;
  readonly golden: Golden;
}
