/**
 * A trainer's checkpoint on disk: trainer.json says what it is and which file holds the numbers (float32, little-endian,
 * one array behind the other). The JSON is replaced last, in one step, so that a kill at any time leaves a whole checkpoint.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { StageError } from '../../common/stage-error.js';

/** What trainer.json holds beside the file's name and the arrays' lengths. */
export interface CheckpointState {
  /** Optimiser steps taken. */
  step: number;
  seed: number;
}

interface Description extends Partial<CheckpointState> {
  file?: string;
  lengths: number[];
}

const STATE_FILE = 'trainer.json';
const isArrays = (name: string) => /^trainer.*\.bin$/.test(name);

/** An array of the checkpoint; fetched one by one, since all together are 340 MB. */
export interface Stored {
  length: number;
  get: () => Float32Array;
  set: (values: Float32Array) => void;
}

/** Writes a checkpoint; the one before it is there until this one is whole. */
export function writeCheckpoint(folder: string, state: CheckpointState, arrays: readonly Stored[]): void {
  mkdirSync(folder, { recursive: true });
  const file = `trainer-${state.step}-${process.pid}-${Date.now()}.bin`;
  writeDurably(join(folder, file), bytesOf(arrays));
  const description: Description = { ...state, file, lengths: arrays.map(({ length }) => length) };
  writeDurably(join(folder, `${STATE_FILE}.tmp`), [Buffer.from(JSON.stringify(description))]);
  renameSync(join(folder, `${STATE_FILE}.tmp`), join(folder, STATE_FILE));
  for (const other of readdirSync(folder)) if (isArrays(other) && other !== file) rmSync(join(folder, other));
}

function* bytesOf(arrays: readonly Stored[]): Generator<Uint8Array> {
  for (const { get } of arrays) {
    const { buffer, byteOffset, byteLength } = get();
    yield new Uint8Array(buffer, byteOffset, byteLength);
  }
}

/** Reads a checkpoint into the arrays; gives its step. Throws TRAINING_CHECKPOINT_INVALID, before it changes anything. */
export function readCheckpoint(folder: string, arrays: readonly Stored[]): { step: number } {
  const lengths = arrays.map(({ length }) => length);
  const description = readDescription(folder);
  const path = join(folder, description.file ?? 'trainer.bin');
  const bytes = existsSync(path) ? statSync(path).size : 0;
  const needed = 4 * lengths.reduce((a, b) => a + b, 0);
  if (description.lengths.join() !== lengths.join() || bytes !== needed) {
    throw invalid(`the checkpoint in ${folder} holds ${bytes} bytes for arrays of ${description.lengths.join(', ')} values; this network needs ${lengths.join(', ')}`);
  }
  const fd = openSync(path, 'r');
  try {
    for (const { length, set } of arrays) set(readArray(fd, length));
    return { step: description.step ?? 0 };
  } finally {
    closeSync(fd);
  }
}

function readDescription(folder: string): Description {
  try {
    const description = JSON.parse(readFileSync(join(folder, STATE_FILE), 'utf8')) as Description;
    if (Array.isArray(description.lengths)) return description;
  } catch (error) {
    throw invalid(`there is no readable ${STATE_FILE} in ${folder}: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw invalid(`${join(folder, STATE_FILE)} says nothing of the arrays' lengths`);
}

function readArray(fd: number, length: number): Float32Array {
  const values = new Float32Array(length);
  const bytes = new Uint8Array(values.buffer);
  for (let at = 0; at < bytes.length; ) {
    const got = readSync(fd, bytes, at, bytes.length - at, null);
    if (got === 0) throw invalid('the checkpoint ends too early');
    at += got;
  }
  return values;
}

/** On disk when it returns, not just in the system's cache. */
function writeDurably(path: string, parts: Iterable<Uint8Array>): void {
  const fd = openSync(path, 'w');
  try {
    for (const part of parts) for (let at = 0; at < part.length; ) at += writeSync(fd, part, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function invalid(message: string): StageError {
  return new StageError({
    code: 'TRAINING_CHECKPOINT_INVALID',
    stage: 'training',
    message,
    remedy: 'Use the architecture that the run was started with, or start again in a fresh run folder.',
  });
}
