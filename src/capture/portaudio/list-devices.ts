/** Asks PortAudio, in a child process, for the audio inputs. */
import { captureError } from '../capture-error.js';
import { childDied, startChild } from './child-process.js';
import type { Device } from './devices.js';

export interface ListDevicesOptions {
  /** Default 10 s: PortAudio opens every device it finds. */
  timeoutMs?: number;
  /** Added to the environment, e.g. PULSE_SERVER. */
  env?: NodeJS.ProcessEnv;
  onDebug?: (line: string) => void;
}

/**
 * The audio inputs of this machine; empty where there are none.
 * @throws StageError CAPTURE_PORTAUDIO_MISSING, CAPTURE_CHILD_DIED, CAPTURE_STALLED.
 */
export function listDevices(options: ListDevicesOptions = {}): Promise<Device[]> {
  const { timeoutMs = 10_000, env, onDebug } = options;
  return new Promise((resolve, reject) => {
    const child = startChild(
      { kind: 'list' },
      {
        onFrame: (frame) => {
          if (frame.kind === 'devices') settle(() => resolve(frame.devices));
          if (frame.kind === 'error') settle(() => reject(captureError(frame.code, frame)));
        },
        onExit: (why) => settle(() => reject(childDied(why))),
        ...(onDebug === undefined ? {} : { onDebug }),
      },
      env,
    );
    const timer = setTimeout(() => {
      child.kill();
      reject(captureError('CAPTURE_STALLED', { message: `the audio library gave no list of devices within ${timeoutMs} ms`, remedy: 'Unplug devices that hang, restart the sound server.', retryable: true }));
    }, timeoutMs);
    const settle = (act: () => void) => {
      clearTimeout(timer);
      child.stop();
      act();
    };
  });
}
