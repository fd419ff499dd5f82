/** The real `serve` command, as a user starts it: its line, its WebSocket, its probes, its end. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot, builtModule } from '../../src/common/paths.js';
import { DISCLAIMER } from '../../src/common/disclaimer.js';
import type { Hello, Prediction } from '../../src/protocol/messages.js';
import { checkServerMessage } from '../../src/protocol/validate.js';
import { join as joinStream, joinRaw, refusalOf, stopAll, Subscriber } from '../serve/harness.js';
import { endCommands, runCommand, startServe, type RunningServe } from '../support/command.js';
import { HEART_LABELS, writeHeartPackage } from '../support/heart-package.js';
import { heart, writeWav } from '../support/sounds.js';
import { until } from '../support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'stethostream-serve-'));
const model = join(folder, 'model');
const shipped = join(packageRoot, 'models', 'heart-resnet34');
const noShipped = existsSync(join(shipped, 'manifest.json')) ? '' : ` (skipped: no model in ${shipped})`;

beforeAll(async () => {
  builtModule('app/main');
  await writeHeartPackage(model);
});
afterAll(async () => {
  await stopAll();
  await endCommands();
  rmSync(folder, { recursive: true, force: true });
});

describe('serve with two sources', () => {
  let serve: RunningServe;
  let all: Subscriber;
  let startedMs: number;
  beforeAll(async () => {
    startedMs = Date.now();
    serve = await startServe(['--model', model, '--source', 'synth', '--source', 'synth']);
    all = await joinStream(serve.stream);
  });

  it('prints one JSON line that says where, what and on which device', () => {
    expect(serve.line).toMatchObject({
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      model: { name: 'test-heart', version: '0.0.1' },
      engine: { engine: 'onnx', device: 'cpu', threads: 1 },
      streams: [{ streamId: 'synth', source: 'synth', live: true }, { streamId: 'synth-2', source: 'synth', live: true }],
    });
    expect(serve.output.stdout.trim().split('\n')).toHaveLength(1);
  });

  it('greets, says that both streams are live, and labels both', async () => {
    expect(all.messages[0]).toMatchObject({
      type: 'hello',
      protocol: '1.0',
      disclaimer: DISCLAIMER,
      labels: [...HEART_LABELS, 'unknown'],
      model: { name: 'test-heart', windowMs: 3008, hopMs: 256 },
    } satisfies Partial<Record<keyof Hello, unknown>>);
    const of = (streamId: string) => all.of('prediction').filter((prediction) => prediction.streamId === streamId);
    await until(() => of('synth').length > 3 && of('synth-2').length > 3, 'predictions of both streams');
    for (const streamId of ['synth', 'synth-2']) {
      expect(all.of('status').filter((status) => status.streamId === streamId).at(-1)).toMatchObject({ state: 'live', attempt: 0 });
      of(streamId).forEach(expectPrediction);
      expect(of(streamId).map(({ seq }) => seq)).toEqual(of(streamId).map((_, i) => i));
    }
    // The same sound with the same seed gives the same answers: nothing of one stream leaks into the other.
    of('synth').slice(0, 3).forEach(({ probabilities }, i) => {
      for (const label of HEART_LABELS) expect(of('synth-2')[i]!.probabilities[label]).toBeCloseTo(probabilities[label]!, 4);
    });
  });

  function expectPrediction(prediction: Prediction): void {
    expect(checkServerMessage(prediction)).toMatchObject({ ok: true });
    const sum = Object.values(prediction.probabilities).reduce((total, p) => total + p, 0);
    expect(sum).toBeCloseTo(1, 4);
    const { window, latencyMs, label, rawLabel, model: by } = prediction;
    expect([...HEART_LABELS, 'unknown']).toContain(label);
    expect(HEART_LABELS).toContain(rawLabel);
    expect(by).toEqual({ name: 'test-heart', version: '0.0.1' });
    // A window: 187 hops of 32 and the last frame, less what the first one has before the start.
    expect(window.sampleRateHz).toBe(2000);
    expect(window.endSample - window.startSample).toBeGreaterThan(5900);
    expect(window.endSample - window.startSample).toBeLessThanOrEqual(6112);
    expect(Date.parse(window.endTime) - Date.parse(window.startTime)).toBeCloseTo((window.endSample - window.startSample) / 2, -1);
    expect(Date.parse(window.endTime)).toBeGreaterThan(startedMs);
    expect(Date.parse(window.endTime)).toBeLessThanOrEqual(Date.now());
    expect(latencyMs).toBeGreaterThan(0);
    expect(latencyMs).toBeLessThan(2000);
  }

  it('gives a subscriber only what it asked for', async () => {
    const some = await joinStream(serve.stream);
    await some.subscribe({ streams: ['synth-2'], kinds: ['prediction', 'frames'] });
    const before = some.messages.length;
    await until(() => some.of('frames').length > 10 && some.of('prediction').length > 2, 'frames and predictions');
    const later = some.messages.slice(before);
    expect(new Set(later.map((message) => ('streamId' in message ? message.streamId : message.type)))).toEqual(new Set(['synth-2']));
    expect(new Set(later.map(({ type }) => type))).toEqual(new Set(['prediction', 'frames']));
    const { nMels, columns, melDb } = some.of('frames')[0]!;
    expect(Buffer.from(melDb, 'base64').length).toBe(nMels * columns);
    // The other one asked for nothing: everything but frames.
    expect(all.of('frames')).toEqual([]);
    some.socket.close();
  });

  it('answers its probes and describes its streams and model', async () => {
    const get = async (path: string) => {
      const response = await fetch(serve.line.url + path);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    expect(await get('/readyz')).toEqual({ status: 200, body: { ready: true, reasons: [], streams: [{ streamId: 'synth', state: 'live' }, { streamId: 'synth-2', state: 'live' }] } });
    expect(await get('/healthz')).toEqual({ status: 200, body: { ok: true } });
    expect((await get('/v1/model')).body).toMatchObject({ model: { name: 'test-heart' }, disclaimer: DISCLAIMER });
    expect((await get('/asyncapi.json')).body).toMatchObject({ asyncapi: '3.0.0' });
  });

  it('ends within 3 s of SIGTERM, says goodbye and exits with 0', async () => {
    const askedMs = performance.now();
    serve.child.kill('SIGTERM');
    const { code, stderr } = await serve.result;
    expect(performance.now() - askedMs).toBeLessThan(3000);
    expect(code).toBe(0);
    expect(stderr).toContain('stethostream: stopping');
    await until(() => all.closed !== undefined, 'the goodbye');
    expect(all.closed).toMatchObject({ code: 1001 });
  });
});

describe('serve with a token', () => {
  it('gives its stream to those who have it, and ends at Ctrl-C', async () => {
    const serve = await startServe(['--model', model, '--token', 'a token of mine']);
    expect(await refusalOf(serve.stream)).toEqual({ status: 401, code: 'SERVE_TOKEN_MISSING' });
    expect(await refusalOf(`${serve.stream}?token=another%20token`)).toEqual({ status: 401, code: 'SERVE_TOKEN_INVALID' });
    const subscriber = await joinStream(`${serve.stream}?token=a%20token%20of%20mine`);
    expect(subscriber.messages[0]).toMatchObject({ type: 'hello' });
    expect((await fetch(`${serve.line.url}/readyz`)).status).toBe(200);
    expect((await fetch(`${serve.line.url}/v1/streams`)).status).toBe(401);
    expect(serve.output.stdout + serve.output.stderr).not.toContain('a token of mine');
    serve.child.kill('SIGINT');
    expect(await serve.result).toMatchObject({ code: 0 });
  });

  it('ends within 4 s although a subscriber neither reads nor says goodbye', async () => {
    const serve = await startServe(['--model', model]);
    const stuck = await joinRaw(serve.port);
    stuck.pause();
    const askedMs = performance.now();
    serve.child.kill('SIGTERM');
    expect(await serve.result).toMatchObject({ code: 0 });
    expect(performance.now() - askedMs).toBeLessThan(4000);
  });
});

describe('serve --once', () => {
  const wav = writeWav(join(folder, 'short.wav'), heart(5));

  it('labels its file and ends by itself', async () => {
    const serve = await startServe(['--model', model, '--once', '--source', `file:${wav}?speed=4`]);
    const subscriber = await joinStream(serve.stream);
    expect(await serve.result).toMatchObject({ code: 0 });
    // 5 s at 2 kHz are 313 centred frames; 188 of them every 16: 8 windows.
    expect(subscriber.of('prediction').map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(subscriber.messages.at(-1)).toMatchObject({ type: 'status', streamId: 'short', state: 'ended' });
  });

  it('exits with 1 when a stream failed', async () => {
    const { code, stderr } = await runCommand(['serve', '--once', '--port', '0', '--engine', 'onnx', '--model', model, '--source', `file:${wav}?speed=max`, '--source', 'file:/nowhere.wav']);
    expect(code).toBe(1);
    expect(stderr).toContain('there is no file /nowhere.wav');
  });
});

it('started by npm ends when npm is told to: no shell between them keeps the signal', async () => {
  // Without its pre-script: what is built is tested.
  const npm = spawn('npm', ['start', '--ignore-scripts', '--', '--json', '--port', '0', '--engine', 'onnx', '--model', model], { cwd: packageRoot, stdio: ['ignore', 'pipe', 'ignore'] });
  let stdout = '';
  npm.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
  await until(() => /"url":"http[^"]+"/.test(stdout), 'the address', 60_000);
  const [, url = ''] = /"url":"([^"]+)"/.exec(stdout)!;
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  npm.kill('SIGTERM');
  await until(() => fetch(`${url}/healthz`).then(() => false, () => true), 'the end of the server');
}, 90_000);

describe.skipIf(noShipped !== '')(`serve with the shipped model${noShipped}`, () => {
  it('labels the synthesised heart, as npm start does', async () => {
    const serve = await startServe([]);
    expect(serve.line).toMatchObject({ model: { name: 'heart-resnet34' }, engine: { engine: 'onnx', device: 'cpu' }, streams: [{ streamId: 'synth' }] });
    const subscriber = await joinStream(serve.stream);
    await until(() => subscriber.of('prediction').length > 2, 'predictions', 30_000);
    const [prediction] = subscriber.of('prediction');
    expect(prediction).toMatchObject({ streamId: 'synth', model: { name: 'heart-resnet34' } });
    expect(Object.values(prediction!.probabilities).reduce((total, p) => total + p, 0)).toBeCloseTo(1, 3);
    serve.child.kill('SIGTERM');
    expect(await serve.result).toMatchObject({ code: 0 });
  }, 60_000);
});
