import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { concat, firstValueFrom, from, lastValueFrom, NEVER, Observable, of, Subject, take, throwError, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtModule } from '../../src/common/paths.js';
import type { FeatureWindow } from '../../src/features/types.js';
import { calibratedSoftmax } from '../../src/inference/calibrate.js';
import { EngineWorker, type EngineEvent, type EngineWorkerOptions } from '../../src/inference/engine-worker-proxy.js';
import { loadModelPackage, type ModelPackage } from '../../src/inference/model-package.js';
import { selectEngine } from '../../src/inference/select-engine.js';
import { InferenceService } from '../../src/inference/service.js';
import type { InferenceItem, InferredWindow } from '../../src/inference/types.js';
import { naiveForward } from './naive-resnet.js';
import { inputs, SMALL, smallState } from './small-model.js';
import { writeSmallPackage } from './test-package.js';
import { featureWindow } from './windows.js';

const root = mkdtempSync(join(tmpdir(), 'inference-'));
const folder = join(root, 'good');
const mortal = join(dirname(fileURLToPath(import.meta.url)), 'fixtures', 'mortal-worker.mjs');
process.env['STETHOSTREAM_TEST_ENGINE_WORKER'] = builtModule('inference/engine-worker');
const LENGTH = SMALL.height * SMALL.width;

let model: ModelPackage;
beforeAll(async () => {
  model = await writeSmallPackage(folder, { weights: 'fp32' });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function expected(input: Float32Array): number[] {
  return [...calibratedSoftmax(naiveForward(smallState(), SMALL.spec, input, SMALL.height, SMALL.width), 4, 1.5)];
}

function expectClose(found: ArrayLike<number>, wanted: number[]): void {
  expect(found.length).toBe(wanted.length);
  wanted.forEach((p, i) => expect(Math.abs(found[i]! - p)).toBeLessThan(1e-4));
}

function marked(order: number, seed = 1): Float32Array {
  const batch = inputs(1, seed);
  batch[0] = order;
  return batch;
}

/** A copy of the good package with damage that its hashes do not show. */
function rehashed(name: string, file: string, damage: (path: string) => void): string {
  const copy = join(root, name);
  cpSync(folder, copy, { recursive: true });
  damage(join(copy, file));
  const manifest = JSON.parse(readFileSync(join(copy, 'manifest.json'), 'utf8')) as ModelPackage['manifest'];
  const bytes = readFileSync(join(copy, file));
  for (const entry of Object.values(manifest.files)) if (entry.path === file) Object.assign(entry, { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
  writeFileSync(join(copy, 'manifest.json'), JSON.stringify(manifest));
  return copy;
}

describe('engine worker', () => {
  const worker = (over: Partial<EngineWorkerOptions> = {}) => new EngineWorker({ folder, engine: 'onnx', threads: 1, restartDelayMs: 5, ...over });
  const recorded = (events$: Observable<EngineEvent>) => {
    const events: EngineEvent[] = [];
    events$.subscribe((event) => events.push(event));
    return events;
  };

  it('serves what the naive forward pass gives, and says which device and which golden difference', async () => {
    const engine = worker();
    const ready = await engine.start();
    expect(ready.info).toEqual({ engine: 'onnx', version: expect.stringMatching(/^onnxruntime 1\./), device: 'cpu', threads: 1 });
    expect(ready.attempts).toEqual([{ engine: 'onnx', ok: true, reason: expect.stringMatching(/asked for; golden output reproduced on cpu/) }]);
    expect(ready.goldenDifference).toBeLessThan(1e-6);
    const batch = inputs(3, 2);
    const { probabilities, runMs } = await engine.run(batch, 3);
    expectClose(probabilities, [0, 1, 2].flatMap((i) => expected(batch.slice(i * LENGTH, (i + 1) * LENGTH))));
    expect(runMs).toBeGreaterThan(0);
    expect(batch.length).toBe(3 * LENGTH);
    await engine.close();
  });

  it('answers a malformed batch with its error and goes on', async () => {
    const engine = worker();
    await engine.start();
    const events = recorded(engine.events$);
    await expect(engine.run(new Float32Array(5), 1)).rejects.toMatchObject({ code: 'INFERENCE_BATCH_INVALID', message: expect.stringContaining('holds 5 values') });
    expectClose((await engine.run(inputs(1), 1)).probabilities, expected(inputs(1)));
    expect(events.map(({ kind }) => kind)).toEqual(['run-failed']);
    await engine.close();
    await expect(engine.run(inputs(1), 1)).rejects.toMatchObject({ code: 'INFERENCE_CLOSED' });
  });

  it('restarts after its death and runs what was in flight again', async () => {
    const engine = worker({ entry: mortal });
    await engine.start();
    const events = recorded(engine.events$);
    // The first one kills the worker once; the second one waits behind it.
    const results = await Promise.all([engine.run(marked(1002), 1), engine.run(inputs(1, 3), 1)]);
    expectClose(results[0].probabilities, expected(marked(1002)));
    expectClose(results[1].probabilities, expected(inputs(1, 3)));
    expect(events.map(({ kind }) => kind)).toEqual(['died', 'ready']);
    await engine.close();
  });

  it('gives up a batch that kills two workers, and only that one', async () => {
    const engine = worker({ entry: mortal });
    await engine.start();
    const outcomes = await Promise.allSettled([engine.run(inputs(1, 4), 1), engine.run(marked(1001), 1), engine.run(inputs(1, 5), 1)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((outcomes[1] as PromiseRejectedResult).reason).toMatchObject({ code: 'INFERENCE_WORKER_DIED', retryable: true, message: expect.stringContaining('killed by the test') });
    await engine.close();
  });

  it('counts deaths in a row only: an answer between them clears the count', async () => {
    const engine = worker({ entry: mortal, maxDeaths: 3 });
    await engine.start();
    for (let round = 0; round < 2; round++) {
      await expect(engine.run(marked(1001), 1)).rejects.toMatchObject({ code: 'INFERENCE_WORKER_DIED' });
      expectClose((await engine.run(inputs(1), 1)).probabilities, expected(inputs(1)));
    }
    await engine.close();
  });

  it('treats a worker that does not answer as dead', async () => {
    const engine = worker({ entry: mortal, runTimeoutMs: 200 });
    await engine.start();
    await expect(engine.run(marked(1003), 1)).rejects.toMatchObject({ code: 'INFERENCE_WORKER_DIED', message: expect.stringContaining('no answer within 200 ms') });
    expectClose((await engine.run(inputs(1), 1)).probabilities, expected(inputs(1)));
    await engine.close();
  });

  it('fails for good when the package has been spoilt under it', async () => {
    const copy = join(root, 'vanishing');
    cpSync(folder, copy, { recursive: true });
    const engine = worker({ folder: copy, entry: mortal, maxDeaths: 3 });
    await engine.start();
    const events = recorded(engine.events$);
    truncateSync(join(copy, 'weights.onnx'), 100);
    await expect(engine.run(marked(1001), 1)).rejects.toMatchObject({ code: 'INFERENCE_WORKER_FAILED', message: expect.stringMatching(/died 3 times in a row, last: .*has 100 bytes/) });
    await expect(engine.run(inputs(1), 1)).rejects.toMatchObject({ code: 'INFERENCE_WORKER_FAILED' });
    expect(events.map(({ kind }) => kind)).toEqual(['died', 'died', 'failed']);
    await engine.close();
  });

  it.each<[string, string, () => Partial<EngineWorkerOptions>]>([
    ['no package', 'INFERENCE_MODEL_NOT_FOUND', () => ({ folder: join(root, 'none') })],
    ['a wrong hash', 'INFERENCE_HASH_MISMATCH', () => ({ folder: spoiltHash() })],
    ['truncated ONNX whose hash fits', 'INFERENCE_MODEL_UNLOADABLE', () => ({ folder: rehashed('cut', 'weights.onnx', (path) => truncateSync(path, 900)) })],
    ['a golden output that differs', 'INFERENCE_GOLDEN_MISMATCH', () => ({ folder: rehashed('golden', 'golden.json', swapGolden) })],
    ['weights of other labels', 'INFERENCE_MODEL_MISMATCH', () => ({ folder: otherLabels() })],
    ['an engine that is not there', 'INFERENCE_ENGINE_UNAVAILABLE', () => ({ engine: 'cuda' })],
    ['an engine unheard of', 'INFERENCE_ENGINE_UNKNOWN', () => ({ engine: 'abacus' as never })],
  ])('refuses to serve with %s (%s)', async (_what, code, over) => {
    const engine = worker(over());
    await expect(engine.start()).rejects.toMatchObject({ code, stage: 'inference', remedy: expect.stringMatching(/\w/) });
    await expect(engine.run(inputs(1), 1)).rejects.toMatchObject({ code: 'INFERENCE_CLOSED' });
  });

  function spoiltHash(): string {
    const copy = join(root, 'hash');
    cpSync(folder, copy, { recursive: true });
    writeFileSync(join(copy, 'README.md'), '# test-smalL\n\nRandom weights.\n');
    return copy;
  }

  function swapGolden(path: string): void {
    const golden = JSON.parse(readFileSync(path, 'utf8')) as ModelPackage['golden'];
    writeFileSync(path, JSON.stringify({ ...golden, probabilities: golden.probabilities.toReversed() }));
  }

  function otherLabels(): string {
    const copy = rehashed('labels', 'golden.json', (path) => {
      const golden = JSON.parse(readFileSync(path, 'utf8')) as ModelPackage['golden'];
      writeFileSync(path, JSON.stringify({ ...golden, probabilities: [0.5, 0.5] }));
    });
    const file = join(copy, 'manifest.json');
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), labels: ['normal', 'murmur'], experimentalLabels: [] }));
    return copy;
  }
});

describe('choosing an engine', () => {
  it('auto takes one that reproduces the golden output and says why the ones before it were not taken', async () => {
    const { engine, attempts } = await selectEngine('auto', model, { threads: 1 });
    expect(attempts.at(-1)).toMatchObject({ ok: true, reason: expect.stringContaining('first in order of speed that works here') });
    expect(attempts.slice(0, -1).every(({ ok, reason }) => !ok && reason.length > 0)).toBe(true);
    expect(attempts.at(-1)!.engine).toBe(engine.info.engine === 'webgpu' ? 'webgpu' : engine.info.device === 'cuda' ? 'cuda' : 'onnx');
    await engine.close();
  });

  it('auto throws the reason of the last one when none will do', async () => {
    const wrong = { ...model, golden: { ...model.golden, probabilities: model.golden.probabilities.toReversed() } };
    await expect(selectEngine('auto', wrong, { threads: 1 })).rejects.toMatchObject({ code: 'INFERENCE_GOLDEN_MISMATCH' });
  });
});

describe('inference service', () => {
  let service: InferenceService;
  beforeAll(async () => {
    service = await InferenceService.start({ model: await loadModelPackage(folder), engine: 'onnx', threads: 1 });
  });
  afterAll(() => service.close());

  const windows = (streamId: string, count: number, seed: number): FeatureWindow[] => Array.from({ length: count }, (_, seq) => featureWindow(streamId, seq, inputs(1, seed + seq)));
  const seqOf = (item: InferenceItem) => (item.kind === 'inferred' ? item.window.seq : item.seq);

  it('gives every stream its own results, in order, and completes with it', async () => {
    const sets = ['a', 'b', 'c'].map((id, i) => windows(id, 20, 50 * i));
    const results = await Promise.all(sets.map((set) => lastValueFrom(service.infer(from(set), { lossless: true }).pipe(toArray()))));
    results.forEach((items, stream) => {
      expect(items.map(seqOf)).toEqual(sets[stream]!.map(({ seq }) => seq));
      for (const item of items as InferredWindow[]) expectClose(item.probabilities, expected(sets[stream]![item.window.seq]!.input));
    });
    expect(Math.max(...results.flat().map((item) => (item as InferredWindow).batchSize))).toBe(8);
  });

  it('completes an empty stream, and fails with its source after the windows before the failure', async () => {
    expect(await lastValueFrom(service.infer(of()).pipe(toArray()))).toEqual([]);
    const items: InferenceItem[] = [];
    const failing$ = concat(from(windows('a', 3, 7)), throwError(() => new Error('unplugged')));
    await expect(new Promise((resolve, reject) => service.infer(failing$).subscribe({ next: (item) => items.push(item), error: reject, complete: () => resolve(undefined) }))).rejects.toThrow('unplugged');
    expect(items.map(seqOf)).toEqual([0, 1, 2]);
  });

  it('drops and reports the oldest when a burst does not fit, and goes on', async () => {
    const burst = await lastValueFrom(service.infer(from(windows('burst', 30, 3))).pipe(toArray()));
    expect(burst.map(seqOf)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(burst.filter(({ kind }) => kind === 'dropped').length).toBe(22);
    expect(burst.slice(22).every(({ kind }) => kind === 'inferred')).toBe(true);
  });

  it('reports a bad window as dropped without harming its neighbours', async () => {
    const [first, , third] = windows('a', 3, 1) as [FeatureWindow, FeatureWindow, FeatureWindow];
    const items = await lastValueFrom(service.infer(of(first, featureWindow('a', 1, inputs(1).fill(NaN)), featureWindow('a', 5, new Float32Array(1)), third)).pipe(toArray()));
    expect(items.map((item) => (item.kind === 'dropped' ? item.reason : item.kind))).toEqual(['inferred', 'not-finite', 'invalid-window', 'inferred']);
    expectClose((items[3] as InferredWindow).probabilities, expected(third.input));
  });

  it('lets a stream leave and others stay', async () => {
    const other$ = new Subject<FeatureWindow>();
    const next = firstValueFrom(service.infer(other$));
    await firstValueFrom(service.infer(concat(from(windows('a', 8, 1)), NEVER)).pipe(take(1)));
    other$.next(windows('b', 1, 9)[0]!);
    expectClose(((await next) as InferredWindow).probabilities, expected(inputs(1, 9)));
  });

  it('survives the death of its worker without losing a window', async () => {
    const mortalService = await InferenceService.start({ model, engine: 'onnx', threads: 1, entry: mortal, restartDelayMs: 5 });
    rmSync(`${folder}.died`, { force: true });
    const set = [featureWindow('a', 0, marked(1002)), ...windows('a', 8, 1).slice(1)];
    const items = await lastValueFrom(mortalService.infer(from(set)).pipe(toArray()));
    expect(items.map(({ kind }) => kind)).toEqual(Array.from({ length: 8 }, () => 'inferred'));
    items.forEach((item, i) => expectClose((item as InferredWindow).probabilities, expected(set[i]!.input)));
    await mortalService.close();
  });

  it('reports windows as dropped when its engine is gone for good', async () => {
    const doomed = await InferenceService.start({ model, engine: 'onnx', threads: 1, entry: mortal, restartDelayMs: 1, maxDeaths: 1 });
    const items = await lastValueFrom(doomed.infer(of(featureWindow('a', 0, marked(1001)), featureWindow('a', 1, inputs(1)))).pipe(toArray()));
    expect(items.map((item) => item.kind === 'dropped' && item.reason)).toEqual(['engine-failed', 'engine-failed']);
    await doomed.close();
    await doomed.close();
  });
});
