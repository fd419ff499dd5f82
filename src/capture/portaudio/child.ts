/**
 * Entry point of the child process that talks to PortAudio. Its argument is a Request as JSON; replies and sound go to
 * the parent over file descriptor 4 (wire.ts); the IPC channel only says when to stop. Whatever the native code prints
 * on stdout and stderr is the parent's to sort out.
 */
import { Socket } from 'node:net';
import { toStageError } from '../../common/stage-error.js';
import { captureError } from '../capture-error.js';
import { chooseDevice, type Device } from './devices.js';
import { loadPortAudio, type InputOptions, type NativeInput, type PortAudio } from './naudiodon.js';
import { encodePcm, encodeReply, type Reply, type Request, type SampleFormat } from './wire.js';

/** PortAudio buffers that may wait for this process: 2 s at 10 ms each. */
const MAX_QUEUE = 200;
/** Rates tried after the wanted one and the device's own. */
const FALLBACK_RATES_HZ = [48_000, 44_100, 16_000, 8_000, 4_000];

interface Opened {
  input: NativeInput;
  options: InputOptions;
  device: Device;
}

const pipe = new Socket({ fd: 4, readable: false, writable: true });

async function main(): Promise<void> {
  // Without a parent there is nobody to listen. SIGKILL, since a read that never returns would block a normal exit.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  const request = JSON.parse(process.argv[2] ?? '') as Request;
  try {
    const portAudio = loadPortAudio();
    if (request.kind === 'list') await send({ kind: 'devices', devices: portAudio.listDevices() });
    else await capture(portAudio, request);
  } catch (error) {
    await sendError(error);
  }
  process.disconnect?.();
}

async function capture(portAudio: PortAudio, request: Extract<Request, { kind: 'capture' }>): Promise<void> {
  const { input, options, device } = openFirstPossible(portAudio, request);
  const { sampleRate, channelCount, sampleFormat, framesPerBuffer } = options;
  const format: SampleFormat = sampleFormat === 1 ? 'float32' : 'int16';
  input.start();
  process.on('message', () => void input.quit('ABORT').finally(() => process.kill(process.pid, 'SIGKILL')));
  await send({ kind: 'opened', device, sampleRateHz: sampleRate, channels: channelCount, format });
  const chunkBytes = framesPerBuffer * channelCount * (sampleFormat === 1 ? 4 : 2);
  await pump(input, chunkBytes, framesPerBuffer, (request.maxBacklogMs / request.chunkMs) * chunkBytes);
}

/** Reads until the stream finishes. While the parent is so busy that `maxBacklogBytes` wait for it, sound is dropped and counted. */
async function pump(input: NativeInput, chunkBytes: number, chunkFrames: number, maxBacklogBytes: number): Promise<void> {
  let lostFrames = 0;
  let overrun = false;
  for (;;) {
    const { buf, err, finished } = await input.read(chunkBytes);
    if (finished === true) throw captureError('CAPTURE_DEVICE_LOST', { message: 'the audio input ended its stream', remedy: 'Check the device.', retryable: true });
    if (err !== undefined || buf === undefined) {
      // The binding reports an overrun instead of the buffer it just read: that one is lost as well.
      lostFrames += chunkFrames;
      overrun = true;
    } else if (pipe.writableLength > maxBacklogBytes) {
      lostFrames += chunkFrames;
    } else {
      pipe.write(encodePcm(buf, monotonicMs(), lostFrames, overrun));
      lostFrames = 0;
      overrun = false;
    }
  }
}

/** Tries formats from the best to the most likely until the device takes one. */
function openFirstPossible(portAudio: PortAudio, request: Extract<Request, { kind: 'capture' }>): Opened {
  const device = chooseDevice(portAudio.listDevices(), request.device);
  const refusals: string[] = [];
  for (const options of candidates(device, request)) {
    try {
      return { input: portAudio.openInput(options), options, device };
    } catch (error) {
      refusals.push(`${options.sampleRate} Hz × ${options.channelCount}: ${(error as Error).message}`);
    }
  }
  throw captureError('CAPTURE_DEVICE_REFUSED', {
    message: `"${device.name}" takes none of the formats tried (${refusals[0] ?? 'none'})`,
    remedy: 'Close other programs that use it, or name a rate it supports: mic:NAME?rate=48000.',
    retryable: true,
  });
}

function* candidates(device: Device, request: Extract<Request, { kind: 'capture' }>): Generator<InputOptions> {
  const rates = request.sampleRateHz === undefined ? [device.defaultSampleRateHz, ...FALLBACK_RATES_HZ] : [request.sampleRateHz];
  const channels = request.channels === undefined ? [1, 2] : [request.channels];
  for (const sampleRate of new Set(rates)) {
    for (const channelCount of channels.filter((n) => n <= device.maxChannels)) {
      for (const sampleFormat of [1, 16] as const) {
        const framesPerBuffer = Math.max(1, Math.round((sampleRate * request.chunkMs) / 1000));
        yield { deviceId: device.id, sampleRate, channelCount, sampleFormat, framesPerBuffer, maxQueue: MAX_QUEUE, closeOnError: true };
      }
    }
  }
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

async function sendError(error: unknown): Promise<void> {
  const { code, message, remedy, retryable } = toStageError(error, { code: 'CAPTURE_DEVICE_FAILED', stage: 'capture', retryable: true });
  await send({ kind: 'error', code: code as `CAPTURE_${string}`, message, remedy, retryable });
}

async function send(reply: Reply): Promise<void> {
  await new Promise<void>((resolve) => pipe.write(encodeReply(reply), () => resolve()));
}

await main();
