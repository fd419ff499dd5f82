import { execFile, execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/common/paths.js';
import { engineLines, tensorFlowFolder, tensorFlowStatus } from '../../../src/training/engine/tensorflow.js';

const script = join(packageRoot, 'scripts', 'setup-tensorflow.mjs');
const module = <T>(name: string) => import(pathToFileURL(join(packageRoot, 'scripts', 'setup-tensorflow', `${name}.mjs`)).href) as Promise<T>;

interface Wheel {
  package: string;
  sha256: string;
  file: string;
}
type WheelFor = (build: string, platform?: string, arch?: string, musl?: boolean) => Wheel;
type Download = (file: { url: string; path: string; bytes: number; sha256: string }) => Promise<void>;

/** Ends with the script's outcome; `env` is all that it sees. */
async function runScript(args: string[], env: NodeJS.ProcessEnv = process.env): Promise<{ code: number; out: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, ...args], { env });
    return { code: 0, out: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout + stderr };
  }
}

describe('setup:tensorflow', () => {
  const temporary = mkdtempSync(join(tmpdir(), 'stetho-setup-'));
  afterAll(() => rmSync(temporary, { recursive: true, force: true }));

  it('installs where the loader looks', async () => {
    const env = { ...process.env, STETHOSTREAM_CACHE: '', XDG_CACHE_HOME: join(temporary, 'xdg') };
    expect((await runScript(['--where'], env)).out.trim()).toBe(join(temporary, 'xdg', 'stethostream', 'tensorflow'));
    expect((await runScript(['--where'])).out.trim()).toBe(tensorFlowFolder());
  });

  it('says that the GPU variant is unproven', async () => {
    const { code, out } = await runScript(['--help']);
    expect(code).toBe(0);
    expect(out).toMatch(/--gpu[^]*Unproven/);
  });

  it('a run set up for the GPU does not pass over that the CPU computes', () => {
    expect(engineLines({ version: '2.21.0', gpu: false }, 'gpu')).toEqual(['engine: TensorFlow 2.21.0 on the CPU', expect.stringContaining('finds no GPU') as string]);
    expect(engineLines({ version: '2.21.0', gpu: true }, 'gpu')).toEqual(['engine: TensorFlow 2.21.0 on the GPU']);
    expect(engineLines({ version: '2.21.0', gpu: false }, 'cpu')).toEqual(['engine: TensorFlow 2.21.0 on the CPU']);
  });

  it('refuses an option that it does not know, with a remedy', async () => {
    const { code, out } = await runScript(['--gpus']);
    expect(code).toBe(1);
    expect(out).toMatch(/--gpus[^]*What helps: .*--help/);
  });

  it('names missing tools before it downloads anything', async () => {
    const bin = join(temporary, 'bin');
    mkdirSync(bin);
    symlinkSync(process.execPath, join(bin, 'node'));
    const cache = join(temporary, 'cache');
    const { code, out } = await runScript([], { PATH: bin, STETHOSTREAM_CACHE: cache });
    expect(code).toBe(1);
    expect(out).toMatch(/python3, make, g\+\+: not found[^]*apt-get install/);
    expect(existsSync(join(cache, 'tensorflow', 'node_modules'))).toBe(false);
  });

  it('does not work beside another set-up of the same folder', async () => {
    const cache = join(temporary, 'locked');
    mkdirSync(join(cache, 'tensorflow'), { recursive: true });
    writeFileSync(join(cache, 'tensorflow', 'setup.lock'), String(process.pid));
    const { code, out } = await runScript([], { ...process.env, STETHOSTREAM_CACHE: cache });
    expect(code).toBe(1);
    expect(out).toContain(`process ${process.pid}`);
  });

  it.skipIf(tensorFlowStatus().version === null)('does nothing where all is set up (skipped: not set up)', () => {
    const startedAt = performance.now();
    const out = execFileSync(process.execPath, [script], { encoding: 'utf8' });
    expect(out).toMatch(/^TensorFlow .* is set up in /);
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  describe('where one is set up', () => {
    const cache = join(temporary, 'standing');
    const env = { ...process.env, STETHOSTREAM_CACHE: cache };
    const folder = join(cache, 'tensorflow');

    beforeAll(async () => {
      const { bindingOf } = await module<{ bindingOf: (folder: string) => string }>('binding');
      mkdirSync(dirname(bindingOf(folder)), { recursive: true });
      writeFileSync(bindingOf(folder), '');
      writeFileSync(join(folder, 'setup.json'), JSON.stringify({ build: 'gpu', version: '2.21.0', gpu: true }));
    });

    it('keeps the one for the GPU unless another is asked for', async () => {
      expect(await runScript([], env)).toEqual({ code: 0, out: `TensorFlow 2.21.0 (gpu) is set up in ${folder}\n` });
      // Without tools on its path it ends before it touches anything.
      const { code, out } = await runScript(['--cpu'], { ...env, PATH: '' });
      expect(code).toBe(1);
      expect(out).not.toContain('is set up in');
    });

    it('refuses two at once', async () => {
      const { code, out } = await runScript(['--gpu', '--cpu'], env);
      expect(code).toBe(1);
      expect(out).toMatch(/--cpu and --gpu exclude one another[^]*What helps/);
    });
  });

  it('knows the wheel of the platforms that it names, and no other', async () => {
    const { wheelFor } = await module<{ wheelFor: WheelFor }>('wheels');
    expect(wheelFor('cpu', 'linux', 'x64', false)).toMatchObject({ package: 'tensorflow-cpu', file: expect.stringMatching(/^tensorflow_cpu-2\.21\.0.*x86_64\.whl$/) as string });
    expect(wheelFor('gpu', 'linux', 'x64', false).sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(() => wheelFor('cpu', 'win32', 'x64', false)).toThrow(/win32-x64/);
    expect(() => wheelFor('cpu', 'linux', 'x64', true)).toThrow(/musl/);
  });
});

describe('download', () => {
  const content = randomBytes(300_000);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const folder = mkdtempSync(join(tmpdir(), 'stetho-download-'));
  const path = join(folder, 'file');
  /** Byte ranges that were asked for. */
  const asked: (string | undefined)[] = [];
  /** The server hangs up after so many bytes. */
  let hangUpAfter = Infinity;
  let server: Server;
  let download: Download;

  beforeAll(async () => {
    ({ download } = await module<{ download: Download }>('download'));
    server = createServer((request, response) => {
      asked.push(request.headers.range);
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const rest = content.subarray(from);
      response.writeHead(from > 0 ? 206 : 200, { 'content-length': rest.length });
      if (rest.length <= hangUpAfter) response.end(rest);
      else response.write(rest.subarray(0, hangUpAfter), () => setTimeout(() => response.destroy(), 50));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    hangUpAfter = Infinity;
    asked.length = 0;
    rmSync(path, { force: true });
    rmSync(`${path}.part`, { force: true });
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const file = (digest = sha256) => ({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`, path, bytes: content.length, sha256: digest });

  it('goes on where a broken download stopped', async () => {
    writeFileSync(`${path}.part`, content.subarray(0, 120_000));
    await download(file());
    expect(asked).toEqual(['bytes=120000-']);
    expect(readFileSync(path).equals(content)).toBe(true);
  });

  it('says how far it came when the server hangs up, and needs no other repair than running again', async () => {
    hangUpAfter = 120_000;
    await expect(download(file())).rejects.toThrow(/broke off after \d+ of 300000 bytes/);
    expect(existsSync(path)).toBe(false);
    hangUpAfter = Infinity;
    await download(file());
    expect(readFileSync(path).equals(content)).toBe(true);
  });

  it('keeps no file whose digest is another', async () => {
    await expect(download(file('0'.repeat(64)))).rejects.toThrow(/SHA-256/);
    expect(existsSync(path) || existsSync(`${path}.part`)).toBe(false);
  });

  it('says what cannot be reached and what helps', async () => {
    await expect(download({ ...file(), url: 'http://127.0.0.1:1/file' })).rejects.toMatchObject({ message: expect.stringContaining('127.0.0.1:1') as string, remedy: expect.stringContaining('--wheel') as string });
  });
});
