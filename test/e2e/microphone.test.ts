/**
 * From a microphone to a label: recordings played into a virtual microphone (PulseAudio), heard by the real `serve`
 * through ALSA and PortAudio, labels read from its WebSocket; and the death of the process that listens.
 */
import { readdirSync, readFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeFile } from '../../src/capture/files/decode-file.js';
import { join as joinStream, stopAll, Subscriber } from '../serve/harness.js';
import { endCommands, startServe, type RunningServe } from '../support/command.js';
import { writeHeartPackage } from '../support/heart-package.js';
import { pulseMissing, startVirtualMicrophone, type VirtualMicrophone } from '../support/pulse.js';
import { heart, noRealRecordings, realRecordings, writeWav } from '../support/sounds.js';
import { until } from '../support/until.js';

const missing = pulseMissing();

describe.skipIf(missing !== undefined)(`serve --source mic${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'stethostream-mic-e2e-'));
  const model = join(folder, 'model');
  let microphone: VirtualMicrophone;
  let serve: RunningServe;
  let subscriber: Subscriber;

  beforeAll(async () => {
    [microphone] = await Promise.all([startVirtualMicrophone(), writeHeartPackage(model)]);
    serve = await startServe(['--model', model, '--source', 'mic'], microphone.env);
    subscriber = await joinStream(serve.stream);
  });
  afterAll(async () => {
    await stopAll();
    await endCommands();
    await microphone?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Plays a file to its end and waits for labels of what was played last. */
  async function labelsOf(wav: string) {
    const startMs = Date.now();
    await microphone.play(wav);
    const endMs = Date.now();
    await until(() => subscriber.of('prediction').some(({ window }) => Date.parse(window.endTime) > endMs), 'a label of the last sound');
    return subscriber.of('prediction').filter(({ window }) => Date.parse(window.startTime) > startMs && Date.parse(window.endTime) < endMs);
  }

  it('is live, and says unknown because of silence while nothing is heard', async () => {
    await until(() => subscriber.of('status').some(({ state }) => state === 'live'), 'live', 20_000);
    await until(() => subscriber.of('prediction').length > 0, 'a prediction');
    expect(subscriber.of('prediction')[0]).toMatchObject({ streamId: 'mic', label: 'unknown', quality: { score: 0, reasons: expect.arrayContaining(['silence']) } });
  });

  it('labels a heart that is played', async () => {
    const predictions = await labelsOf(writeWav(join(folder, 'heart.wav'), heart(5).map((x) => 0.7 * x)));
    expect(predictions.length).toBeGreaterThan(2);
    for (const { label, quality, latencyMs } of predictions) {
      expect(label).not.toBe('unknown');
      expect(quality.score).toBeGreaterThan(0.5);
      expect(quality.reasons).toEqual([]);
      expect(latencyMs).toBeGreaterThan(0);
      expect(latencyMs).toBeLessThan(1500);
    }
    // Real time: a window every 256 ms, none left out.
    const seqs = predictions.map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.map((_, i) => seqs[0]! + i));
    const [first, last] = [predictions[0]!, predictions.at(-1)!];
    expect((Date.parse(last.window.endTime) - Date.parse(first.window.endTime)) / (seqs.length - 1)).toBeCloseTo(256, -2);
  });

  it.skipIf(noRealRecordings !== '')(`labels a recording of PASCAL that is played${noRealRecordings}`, async () => {
    const { samples, sampleRateHz } = await decodeFile(realRecordings[0]!);
    const loudest = samples.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
    const predictions = await labelsOf(writeWav(join(folder, 'pascal.wav'), samples.slice(0, 6 * sampleRateHz).map((x) => (0.8 * x) / loudest), sampleRateHz));
    expect(predictions.length).toBeGreaterThan(4);
    expect(predictions.every(({ quality }) => !quality.reasons.includes('silence') && !quality.reasons.includes('clipping'))).toBe(true);
    expect(predictions.some(({ label }) => label !== 'unknown')).toBe(true);
  });

  it('goes on after its capture process was killed: recovering, a gap, live, labels', async () => {
    const pid = captureChildOf(serve.child.pid!);
    const before = subscriber.of('prediction').at(-1)!;
    const messagesBefore = subscriber.messages.length;
    process.kill(pid, 'SIGKILL');
    const since = () => subscriber.messages.slice(messagesBefore);
    const states = () => since().flatMap((message) => (message.type === 'status' ? [message.state] : []));
    await until(() => states().at(-1) === 'live', 'live again', 20_000);
    expect(states()).toEqual(['recovering', 'live']);
    expect(since().find(({ type }) => type === 'error')).toMatchObject({ code: 'CAPTURE_CHILD_DIED', streamId: 'mic', retryable: true, message: expect.stringContaining('SIGKILL'), remedy: expect.stringMatching(/./) });
    await until(() => since().some(({ type }) => type === 'gap'), 'the gap');
    const gap = since().find((message) => message.type === 'gap')!;
    expect(gap).toMatchObject({ type: 'gap', streamId: 'mic', reason: 'restart', sampleRateHz: 2000 });
    const gapEnd = gap.type === 'gap' ? gap.startSample + gap.lengthSamples : NaN;
    await until(() => subscriber.of('prediction').some(({ window }) => window.startSample >= gapEnd), 'labels after the gap', 20_000);
    const after = subscriber.of('prediction').filter(({ seq }) => seq > before.seq);
    // No window spans the gap, and the numbers go on.
    for (const { window } of after) expect(window.endSample <= (gap as { startSample: number }).startSample || window.startSample >= gapEnd).toBe(true);
    expect(after.map(({ seq }) => seq)).toEqual(after.map((_, i) => before.seq + 1 + i));
    expect(captureChildOf(serve.child.pid!)).not.toBe(pid);
    // The sample counter kept pace with the clock through it all.
    const last = after.at(-1)!;
    const samples = last.window.endSample - before.window.endSample;
    expect(samples / 2 / (Date.parse(last.window.endTime) - Date.parse(before.window.endTime))).toBeCloseTo(1, 1);
  });
});

/** Process id of the child of `parent` that runs PortAudio. */
function captureChildOf(parent: number): number {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const parentOf = Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1]);
      if (parentOf === parent && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('portaudio/child')) return Number(name);
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error(`process ${parent} has no capture child`);
}
