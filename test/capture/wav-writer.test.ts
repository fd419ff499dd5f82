import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { concat, EMPTY, from, of, take, throwError } from 'rxjs';
import { afterAll, describe, expect, it } from 'vitest';
import { readWav } from '../../src/capture/files/wav-reader.js';
import type { AudioChunk, AudioGap } from '../../src/capture/types.js';
import { synthSource } from '../../src/capture/synth/synth-source.js';
import { recordToWav, WavWriter } from '../../src/capture/wav-writer.js';
import { builtModule } from '../../src/common/paths.js';

const folder = mkdtempSync(join(tmpdir(), 'stethostream-wav-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string) => join(folder, name);
const chunk = (samples: number[], startSample = 0): AudioChunk => ({ kind: 'chunk', streamId: 's', samples: Float32Array.from(samples), channels: 1, sampleRateHz: 4000, startSample, capturedAtMs: 0 });
const gap = (startSample: number, lengthSamples: number): AudioGap => ({ kind: 'gap', streamId: 's', sampleRateHz: 4000, startSample, lengthSamples, reason: 'overrun', capturedAtMs: 0 });

async function write(path: string, pieces: Float32Array[], channels: number, sampleFormat: 'int16' | 'float32'): Promise<void> {
  const writer = await WavWriter.create(path, { sampleRateHz: 8000, channels, sampleFormat });
  for (const piece of pieces) void writer.write(piece);
  await writer.close();
}

describe('WavWriter', () => {
  it('round-trips floats bit for bit, in pieces of any size', async () => {
    const pieces = fc.array(fc.float32Array({ maxLength: 40 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(pieces, async (parts) => {
        const all = parts.flatMap((part) => [...part]);
        fc.pre(all.length > 0);
        await write(file('float.wav'), parts, 1, 'float32');
        expect([...readWav(readFileSync(file('float.wav')), 'x').samples]).toEqual(all);
      }),
      { numRuns: 40 },
    );
  });

  it('round-trips every 16-bit value exactly, stereo', async () => {
    const samples = Float32Array.from({ length: 65536 }, (_, i) => (i - 32768) / 32768);
    await write(file('int.wav'), [samples], 2, 'int16');
    const audio = readWav(readFileSync(file('int.wav')), 'x');
    expect(audio).toMatchObject({ channels: 2, sampleRateHz: 8000, warnings: [] });
    expect(Buffer.compare(Buffer.from(audio.samples.buffer), Buffer.from(samples.buffer))).toBe(0);
  });

  it('clips overs and turns NaN into silence in 16 bits', async () => {
    await write(file('clip.wav'), [Float32Array.of(2, -2, NaN, Infinity)], 1, 'int16');
    expect([...readWav(readFileSync(file('clip.wav')), 'x').samples]).toEqual([32767 / 32768, -1, 0, 32767 / 32768]);
  });

  it.skipIf(spawnSync('which', ['soxi']).status !== 0)('is read by sox (skipped where sox is missing)', async () => {
    await write(file('sox.wav'), [new Float32Array(800)], 1, 'float32');
    expect(spawnSync('soxi', ['-D', file('sox.wav')], { encoding: 'utf8' }).stdout.trim()).toBe('0.100000');
  });

  it('leaves a valid file when the process is killed while recording', async () => {
    const path = file('killed.wav');
    const script = `
      import { createSource } from ${JSON.stringify(pathToFileURL(builtModule('capture/source-spec')).href)};
      import { recordToWav } from ${JSON.stringify(pathToFileURL(builtModule('capture/wav-writer')).href)};
      await recordToWav(createSource('synth:normal?speed=4').open(), ${JSON.stringify(path)});`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    try {
      for (let i = 0; i < 200 && !(existsSync(path) && statSync(path).size > 20_000); i++) await sleep(25);
    } finally {
      child.kill('SIGKILL');
      await exited;
    }
    const bytes = readFileSync(path);
    const audio = readWav(bytes, 'x');
    // The header may lag behind by the piece that was being written, never run ahead.
    expect(audio.warnings).toEqual([]);
    expect(audio.samples.length).toBeGreaterThan(8000);
    expect(bytes.length - 44 - audio.samples.length * 2).toBeLessThan(2000);
  });
});

describe('recordToWav', () => {
  it('records a stream, lost samples as silence', async () => {
    const items = of(chunk([0.5, 0.5]), gap(2, 3), chunk([0.25], 5));
    const recording = await recordToWav(items, file('gap.wav'));
    expect(recording).toEqual({ path: file('gap.wav'), seconds: 6 / 4000, lostSeconds: 3 / 4000 });
    expect([...readWav(readFileSync(file('gap.wav')), 'x').samples]).toEqual([0.5, 0.5, 0, 0, 0, 0.25]);
  });

  it('keeps what it has when the source fails', async () => {
    const items = concat(of(chunk([0.5])), throwError(() => new Error('unplugged')));
    await expect(recordToWav(items, file('failed.wav'))).rejects.toThrow('unplugged');
    expect([...readWav(readFileSync(file('failed.wav')), 'x').samples]).toEqual([0.5]);
  });

  it('keeps up with a source at full speed', async () => {
    const source = synthSource({ kind: 'normal', speed: Infinity });
    const { seconds } = await recordToWav(source.open().pipe(take(300)), file('fast.wav'), 'float32');
    expect(seconds).toBe(30);
  });

  it('says so when nothing came, and when the file cannot be written', async () => {
    await expect(recordToWav(EMPTY, file('none.wav'))).rejects.toMatchObject({ code: 'CAPTURE_RECORD_EMPTY' });
    expect(existsSync(file('none.wav'))).toBe(false);
    await expect(recordToWav(from([chunk([0])]), join(folder, 'no', 'such', 'folder.wav'))).rejects.toMatchObject({ code: 'CAPTURE_RECORD_FAILED' });
  });

  it('stops an endless source when writing fails', async () => {
    const source = synthSource({ kind: 'normal', speed: Infinity });
    await expect(recordToWav(source.open(), '/dev/full')).rejects.toMatchObject({ code: 'CAPTURE_RECORD_FAILED' });
  });
});
