/** Real capture: PortAudio in its child process, listening to a virtual microphone on a private PulseAudio server. */
import { fork } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { firstValueFrom, type Subscription } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { listDevices } from '../../src/capture/portaudio/list-devices.js';
import { portAudioSource, type OpenedInput } from '../../src/capture/portaudio/portaudio-source.js';
import { restarting, type SourceStatus } from '../../src/capture/restarting.js';
import { Phonocardiogram } from '../../src/capture/synth/phonocardiogram.js';
import type { AudioChunk, AudioGap, AudioSource, CaptureItem } from '../../src/capture/types.js';
import { FrameParser } from '../../src/capture/portaudio/wire.js';
import { builtModule, packageRoot } from '../../src/common/paths.js';
import { WavWriter } from '../../src/capture/wav-writer.js';
import { pulseMissing, startVirtualMicrophone, type VirtualMicrophone } from '../support/pulse.js';

const RATE_HZ = 4000;
const missing = pulseMissing();

describe.skipIf(missing !== undefined)(`PortAudio through PulseAudio${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'stethostream-mic-'));
  const played = new Phonocardiogram({ sampleRateHz: RATE_HZ, seed: 11 }).render(3 * RATE_HZ);
  const wav = join(folder, 'heart.wav');
  let microphone: VirtualMicrophone;
  let subscription: Subscription | undefined;

  beforeAll(async () => {
    microphone = await startVirtualMicrophone();
    const writer = await WavWriter.create(wav, { sampleRateHz: RATE_HZ, channels: 1 });
    await writer.write(played);
    await writer.close();
  });
  afterEach(() => subscription?.unsubscribe());
  afterAll(async () => {
    await microphone?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Subscribes and keeps what comes. */
  const listen = (source: AudioSource) => {
    const items: CaptureItem[] = [];
    const failure: { error?: unknown } = {};
    subscription = source.open().subscribe({ next: (item) => items.push(item), error: (error: unknown) => (failure.error = error) });
    return { items, failure };
  };
  const until = async (condition: () => boolean, what: string, timeoutMs = 15_000) => {
    for (const end = Date.now() + timeoutMs; !condition(); await sleep(20)) if (Date.now() > end) throw new Error(`${what} did not happen within ${timeoutMs} ms`);
  };

  it('lists the inputs by name', async () => {
    const devices = await listDevices({ env: microphone.env });
    expect(devices.map((device) => device.name)).toEqual(['chest', 'default']);
    expect(devices.find((device) => device.isDefault)?.name).toBe('default');
  });

  it('hears what is played, in order, without gaps, in real time', async () => {
    const lines: string[] = [];
    let opened: OpenedInput | undefined;
    const source = portAudioSource({ device: 'chest', sampleRateHz: RATE_HZ, env: microphone.env, onOpened: (o) => (opened = o), onDebug: (line) => lines.push(line) });
    const lags: number[] = [];
    const { items, failure } = listen({ ...source, open: () => source.open() });
    await until(() => items.length > 20, 'sound');
    const watch = setInterval(() => lags.push(performance.timeOrigin + performance.now() - items.at(-1)!.capturedAtMs), 50);
    await microphone.play(wav);
    await until(() => peak(joined(items)) > 0.2, 'the heart');
    await sleep(2500);
    clearInterval(watch);
    expect(failure.error).toBeUndefined();
    expect(opened).toMatchObject({ sampleRateHz: RATE_HZ, channels: 1, device: { name: 'chest' } });
    const chunks = items as AudioChunk[];
    let next = 0;
    for (const chunk of chunks) {
      expect(chunk).toMatchObject({ kind: 'chunk', streamId: 'mic-chest', sampleRateHz: RATE_HZ, channels: 1, startSample: next });
      expect(chunk.samples.length).toBe(RATE_HZ / 100);
      next += chunk.samples.length;
    }
    // The counter keeps pace with time: capture times advance by 10 ms per chunk, within the jitter.
    const seconds = (chunks.at(-1)!.capturedAtMs - chunks[0]!.capturedAtMs) / 1000;
    expect(Math.abs(next / RATE_HZ - seconds)).toBeLessThan(0.1);
    expect(Math.max(...lags)).toBeLessThan(500);
    const { correlation } = bestMatch(joined(items), played);
    expect(correlation).toBeGreaterThan(0.98);
    // What the native code prints comes here and not to the terminal.
    expect(lines.join('\n')).toContain('PortAudio');
  });

  it('recovers when its child is killed, with the lost time as a gap', async () => {
    const pids: Array<number | undefined> = [];
    const states: SourceStatus[] = [];
    const source = portAudioSource({ env: microphone.env, onOpened: ({ pid }) => pids.push(pid) });
    const { items, failure } = listen(restarting(source, { firstDelayMs: 100, onState: (status) => states.push(status) }));
    await until(() => items.length > 50, 'sound');
    process.kill(pids[0]!, 'SIGKILL');
    await until(() => pids.length === 2 && states.at(-1)?.state === 'live', 'recovery');
    await until(() => items.at(-1)!.kind === 'chunk', 'sound after the gap');
    expect(failure.error).toBeUndefined();
    expect(states.map(({ state }) => state)).toEqual(['starting', 'live', 'recovering', 'live']);
    expect(states[2]!.error).toMatchObject({ code: 'CAPTURE_CHILD_DIED', retryable: true, message: expect.stringContaining('SIGKILL') });
    const at = items.findIndex((item) => item.kind === 'gap');
    const gap = items[at] as AudioGap;
    const before = items[at - 1] as AudioChunk;
    const after = items[at + 1] as AudioChunk;
    expect(gap).toMatchObject({ reason: 'restart', startSample: before.startSample + before.samples.length });
    expect(after.startSample).toBe(gap.startSample + gap.lengthSamples);
    const lostMs = (gap.lengthSamples / gap.sampleRateHz) * 1000;
    expect(Math.abs(lostMs + 10 - (after.capturedAtMs - before.capturedAtMs))).toBeLessThan(5);
    // The second opening has the rate of the first.
    expect(after.sampleRateHz).toBe(before.sampleRateHz);
  });

  it('notices a child that hangs', async () => {
    let pid: number | undefined;
    const { items, failure } = listen(portAudioSource({ env: microphone.env, stallMs: 400, onOpened: (o) => (pid = o.pid) }));
    await until(() => items.length > 10, 'sound');
    process.kill(pid!, 'SIGSTOP');
    await until(() => failure.error !== undefined, 'the alarm', 3000);
    expect(failure.error).toMatchObject({ code: 'CAPTURE_STALLED', retryable: true, streamId: 'mic' });
    await until(() => !alive(pid!), 'the end of the child');
  });

  it('catches up without a gap after its child was held up for a moment', async () => {
    let pid: number | undefined;
    const { items } = listen(portAudioSource({ env: microphone.env, onOpened: (o) => (pid = o.pid) }));
    await until(() => items.length > 20, 'sound');
    process.kill(pid!, 'SIGSTOP');
    await sleep(500);
    process.kill(pid!, 'SIGCONT');
    await sleep(1500);
    expect(items.every((item) => item.kind === 'chunk')).toBe(true);
    expect(items.length).toBeGreaterThan(200);
  });

  it('turns what it could not take in time into a gap, and keeps the counter in step', async () => {
    const warnings: string[] = [];
    const { items } = listen(portAudioSource({ env: microphone.env, maxBacklogMs: 200, onWarning: (warning) => warnings.push(warning) }));
    // The first chunks of a loaded machine come late in a burst; the clock's line is true once some came in time.
    await until(() => items.length > 100, 'a second of sound');
    // This process reads nothing for a while. The pipe itself holds some 0.4 s at this rate.
    for (const end = Date.now() + 1500; Date.now() < end; );
    await until(() => items.some((item) => item.kind === 'gap'), 'the gap', 3000);
    await sleep(300);
    const at = items.findIndex((item) => item.kind === 'gap');
    const gap = items[at] as AudioGap;
    const [before, after, last] = [items[at - 1], items[at + 1], items.at(-1)] as AudioChunk[];
    expect(gap).toMatchObject({ reason: 'overrun', startSample: before!.startSample + before!.samples.length });
    expect(after!.startSample).toBe(gap.startSample + gap.lengthSamples);
    expect(gap.lengthSamples / gap.sampleRateHz).toBeGreaterThan(0.3);
    const counted = (last!.startSample - before!.startSample) / gap.sampleRateHz;
    expect(Math.abs(counted - (last!.capturedAtMs - before!.capturedAtMs) / 1000)).toBeLessThan(0.05);
    expect(Math.abs(performance.timeOrigin + performance.now() - last!.capturedAtMs)).toBeLessThan(200);
    expect(warnings[0]).toContain(`${gap.lengthSamples} samples`);
  });

  it('ends its child when unsubscribed', async () => {
    let pid: number | undefined;
    const { items } = listen(portAudioSource({ env: microphone.env, onOpened: (o) => (pid = o.pid) }));
    await until(() => items.length > 0, 'sound');
    subscription!.unsubscribe();
    await until(() => !alive(pid!), 'the end of the child', 3000);
  });

  it('says which inputs there are when the wanted one is not', async () => {
    const source = portAudioSource({ device: 'no such thing', env: microphone.env });
    await expect(firstValueFrom(source.open())).rejects.toMatchObject({ code: 'CAPTURE_DEVICE_NOT_FOUND', streamId: 'mic-no-such-thing', message: expect.stringContaining('"chest", "default" (default)') });
  });

  it('says so when the rate is impossible', async () => {
    const source = portAudioSource({ device: 'chest', channels: 2, sampleRateHz: 1, env: microphone.env });
    await expect(firstValueFrom(source.open())).rejects.toMatchObject({ code: 'CAPTURE_DEVICE_REFUSED' });
  });

  it('fails retryably while the microphone is unplugged and comes back with it', async () => {
    const states: SourceStatus[] = [];
    const source = portAudioSource({ device: 'chest', env: microphone.env, stallMs: 1000, openMs: 6000 });
    const { items, failure } = listen(restarting(source, { firstDelayMs: 200, factor: 1, onState: (status) => states.push(status) }));
    await until(() => items.length > 20, 'sound');
    microphone.unplug();
    await until(() => states.some(({ state }) => state === 'recovering'), 'recovering');
    microphone.plug();
    const live = () => states.at(-1)?.state === 'live';
    await until(live, 'sound again', 20_000);
    expect(failure.error).toBeUndefined();
    expect(items.some((item) => item.kind === 'gap')).toBe(true);
  });
});

const built = existsSync(join(packageRoot, 'node_modules', 'naudiodon', 'build', 'Release', 'naudiodon.node'));
describe.skipIf(!built || process.platform !== 'linux')('on a Linux machine without sound (skipped where naudiodon is not built)', () => {
  it('there are no inputs', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stethostream-alsa-'));
    const config = join(folder, 'asound.conf');
    writeFileSync(config, 'pcm.nothing { type hw card 99 }\nctl.!default { type hw card 99 }\n');
    try {
      expect(await listDevices({ env: { PULSE_SERVER: 'unix:/nowhere', ALSA_CONFIG_PATH: config } })).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('a crash of the native library reaches no further than its process', async () => {
    // PortAudio's assertion about the number of devices fails on an ALSA configuration without any.
    const broken = { ALSA_CONFIG_PATH: '/dev/null' };
    await expect(listDevices({ env: broken })).rejects.toMatchObject({ code: 'CAPTURE_CHILD_DIED', retryable: true, message: expect.stringMatching(/SIGABRT.*Assertion/) });
    await expect(firstValueFrom(portAudioSource({ env: broken }).open())).rejects.toMatchObject({ code: 'CAPTURE_CHILD_DIED', retryable: true });
  });
});

describe('where naudiodon is not installed', () => {
  it('the child says what to run', async () => {
    // The built child, in a folder from which no node_modules can be found.
    const folder = mkdtempSync(join(tmpdir(), 'stethostream-bare-'));
    try {
      for (const part of ['capture', 'common']) cpSync(dirname(builtModule(part === 'capture' ? 'capture/source-spec' : 'common/paths')), join(folder, part), { recursive: true });
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
      const child = fork(join(folder, 'capture', 'portaudio', 'child.js'), [JSON.stringify({ kind: 'list' })], { stdio: ['ignore', 'ignore', 'ignore', 'ipc', 'pipe'], execArgv: [] });
      const parser = new FrameParser();
      const replies: unknown[] = [];
      (child.stdio[4] as Readable).on('data', (piece: Buffer) => replies.push(...parser.push(piece)));
      await new Promise((resolve) => child.once('close', resolve));
      expect(replies).toEqual([expect.objectContaining({ kind: 'error', code: 'CAPTURE_PORTAUDIO_MISSING', remedy: expect.stringContaining('npm run setup:audio'), retryable: false })]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

function joined(items: readonly CaptureItem[]): Float32Array {
  return Float32Array.from(items.flatMap((item) => (item.kind === 'chunk' ? [...item.samples] : [])));
}

function peak(samples: Float32Array): number {
  return samples.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
}

/** Where `needle` fits best into `haystack`, and how well (normalised correlation). */
function bestMatch(haystack: Float32Array, needle: Float32Array): { lag: number; correlation: number } {
  const energy = (x: Float32Array) => x.reduce((sum, v) => sum + v * v, 0);
  const needleEnergy = energy(needle);
  let best = { lag: 0, correlation: -1 };
  for (let lag = 0; lag + needle.length <= haystack.length; lag++) {
    let dot = 0;
    for (let i = 0; i < needle.length; i++) dot += needle[i]! * haystack[lag + i]!;
    const correlation = dot / Math.sqrt(needleEnergy * energy(haystack.subarray(lag, lag + needle.length)) || 1);
    if (correlation > best.correlation) best = { lag, correlation };
  }
  return best;
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
