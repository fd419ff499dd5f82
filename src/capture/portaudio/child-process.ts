/** Starts the PortAudio child, reads its frames, and sees to it that it ends. */
import { fork, type ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { builtModule } from '../../common/paths.js';
import { captureError } from '../capture-error.js';
import { FrameParser, type PcmFrame, type Reply, type Request } from './wire.js';

export interface ChildHandlers {
  onFrame(frame: PcmFrame | Reply): void;
  /** Called once when the child is gone, unless `stop` was called before. `why` says how it ended. */
  onExit(why: string): void;
  /** A line that native code printed (ALSA is talkative). */
  onDebug?(line: string): void;
}

export interface ChildHandle {
  readonly pid: number | undefined;
  /** Ends the child: kindly, and after GRACE_MS by SIGKILL. No handler is called any more. */
  stop(): void;
  /** Ends the child at once, for when it does not react. */
  kill(): void;
}

/** Time the child has for closing the device, ms. */
const GRACE_MS = 500;

/** Starts the child with `request`. `env` is added to this process's environment. */
export function startChild(request: Request, handlers: ChildHandlers, env: NodeJS.ProcessEnv = {}): ChildHandle {
  const child = fork(builtModule('capture/portaudio/child'), [JSON.stringify(request)], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe'],
    // Flags of this process (inspector, test runner) are not for the child; a core or log file belongs into no project.
    execArgv: [],
    cwd: tmpdir(),
    env: { ...process.env, ...env },
  });
  let stopped = false;
  readFrames(child, handlers, () => stopped);
  let lastWords = '';
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => handlers.onDebug?.(line));
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on('line', (line) => {
      lastWords = line;
      handlers.onDebug?.(line);
    });
  }
  const end = (why: string) => {
    if (!stopped) handlers.onExit(lastWords === '' ? why : `${why} (its last words: ${lastWords})`);
    stopped = true;
  };
  child.on('error', (error) => end(`could not be started: ${error.message}`));
  // `close` comes after the last frame has been read, `exit` may come before it.
  child.on('close', (code, signal) => end(signal === null ? `ended with code ${code}` : `was ended by ${signal}`));
  const kill = () => {
    stopped = true;
    child.kill('SIGKILL');
  };
  const stop = () => {
    stopped = true;
    if (child.connected) child.send('stop', () => undefined);
    setTimeout(() => child.kill('SIGKILL'), GRACE_MS).unref();
  };
  return { pid: child.pid, stop, kill };
}

function readFrames(child: ChildProcess, handlers: ChildHandlers, stopped: () => boolean): void {
  const parser = new FrameParser();
  const pipe = child.stdio[4] as Readable;
  pipe.on('error', () => undefined);
  pipe.on('data', (piece: Buffer) => {
    try {
      for (const frame of parser.push(piece)) if (!stopped()) handlers.onFrame(frame);
    } catch (error) {
      handlers.onDebug?.(`unreadable frame: ${(error as Error).message}`);
      child.kill('SIGKILL');
    }
  });
}

/** The error for a child that ended by itself. */
export function childDied(why: string, streamId?: string) {
  return captureError('CAPTURE_CHILD_DIED', {
    message: `the audio process ${why}`,
    remedy: 'It is started again by itself; if this repeats, run `stethostream doctor` and `npm run setup:audio`.',
    retryable: true,
    ...(streamId === undefined ? {} : { streamId }),
  });
}
