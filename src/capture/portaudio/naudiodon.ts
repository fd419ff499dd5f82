/**
 * Loads naudiodon's native binding. Only the child process imports this: a crash in there must not take the station
 * down.
 *
 * The binding is used directly rather than through naudiodon's stream: the stream closes at the first overrun, or else
 * hides it; and naudiodon's own module installs a crash handler that leaves a crash.log in the working folder.
 */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { captureError } from '../capture-error.js';
import { nameDevices, type Device, type RawDevice } from './devices.js';

/** Options of one input stream; sampleFormat 1 is 32-bit float, 16 is 16-bit integer. */
export interface InputOptions {
  deviceId: number;
  sampleRate: number;
  channelCount: number;
  sampleFormat: 1 | 16;
  framesPerBuffer: number;
  /** Buffers that may wait to be read; beyond it, PortAudio's thread blocks and the device overruns. */
  maxQueue: number;
  /** True makes read() report overruns in `err`. */
  closeOnError: boolean;
}

/** What read() resolves with: sound, or an overrun instead of it. */
export interface ReadResult {
  buf?: Buffer;
  err?: string;
  finished?: boolean;
}

export interface NativeInput {
  start(): void;
  read(bytes: number): Promise<ReadResult>;
  quit(how: 'WAIT' | 'ABORT'): Promise<void>;
}

interface Native {
  getDevices(): RawDevice[];
  getHostAPIs(): { defaultHostAPI: number; HostAPIs: Array<{ id: number; defaultInput: number }> };
  create(options: { inOptions: InputOptions }): NativeInput;
}

/** PortAudio, as far as capture needs it. */
export interface PortAudio {
  listDevices(): Device[];
  openInput(options: InputOptions): NativeInput;
}

/** @throws StageError CAPTURE_PORTAUDIO_MISSING where naudiodon is not installed, not built, or does not load. */
export function loadPortAudio(): PortAudio {
  const native = loadNative();
  return {
    listDevices: () => nameDevices(native.getDevices(), defaultInput(native)),
    openInput: (inOptions) => native.create({ inOptions }),
  };
}

function loadNative(): Native {
  try {
    const manifest = createRequire(import.meta.url).resolve('naudiodon/package.json');
    const bindings = createRequire(manifest)('bindings') as (options: { bindings: string; module_root: string }) => unknown;
    return bindings({ bindings: 'naudiodon.node', module_root: dirname(manifest) }) as Native;
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND' ? 'it is not installed or not built' : firstLine(error);
    throw captureError('CAPTURE_PORTAUDIO_MISSING', {
      message: `the audio library (naudiodon) cannot be loaded: ${reason}`,
      remedy: 'Run `npm run setup:audio`.',
      cause: error,
    });
  }
}

function defaultInput(native: Native): number {
  const { defaultHostAPI, HostAPIs } = native.getHostAPIs();
  return HostAPIs.find((api) => api.id === defaultHostAPI)?.defaultInput ?? -1;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
