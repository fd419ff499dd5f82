/** What keeps a station from starting: the command says why and what to do, ends, and leaves nothing behind. */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StageErrorDetails } from '../../src/common/stage-error.js';
import { endCommands, runCommand } from '../support/command.js';
import { writeHeartPackage } from '../support/heart-package.js';

const folder = mkdtempSync(join(tmpdir(), 'stethostream-refusals-'));
const good = join(folder, 'good');
let busy: Server;
let busyPort: string;

beforeAll(async () => {
  await writeHeartPackage(good);
  busy = createServer().listen(0, '127.0.0.1');
  await once(busy, 'listening');
  busyPort = String((busy.address() as { port: number }).port);
});
afterAll(async () => {
  busy?.close();
  await endCommands();
  rmSync(folder, { recursive: true, force: true });
});

/** A copy of the good package with one file damaged; with its hash made to fit where `rehash`. */
function damaged(name: string, file: string, damage: (path: string) => void, rehash = false): string {
  const copy = join(folder, name);
  cpSync(good, copy, { recursive: true });
  damage(join(copy, file));
  if (!rehash) return copy;
  const manifest = JSON.parse(readFileSync(join(copy, 'manifest.json'), 'utf8')) as { files: Record<string, { path: string }> };
  const bytes = readFileSync(join(copy, file));
  for (const entry of Object.values(manifest.files)) {
    if (entry.path === file) Object.assign(entry, { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
  }
  writeFileSync(join(copy, 'manifest.json'), JSON.stringify(manifest));
  return copy;
}

function flipByte(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path, bytes);
}

function reverseGolden(path: string): void {
  const golden = JSON.parse(readFileSync(path, 'utf8')) as { probabilities: number[] };
  writeFileSync(path, JSON.stringify({ ...golden, probabilities: golden.probabilities.toReversed() }));
}

interface Refusal {
  code: string;
  exit: number;
  message: RegExp;
  remedy: RegExp;
  args: () => string[];
}

const refusals: Record<string, Refusal> = {
  'weights with a wrong hash': {
    code: 'INFERENCE_HASH_MISMATCH', exit: 1, message: /weights\.onnx has SHA-256 [0-9a-f]{64}, the manifest says [0-9a-f]{64}/, remedy: /again/,
    args: () => ['--model', damaged('hash', 'weights.onnx', flipByte)],
  },
  'weights that were cut off': {
    code: 'INFERENCE_HASH_MISMATCH', exit: 1, message: /weights\.onnx has 1000 bytes, the manifest says \d+/, remedy: /again/,
    args: () => ['--model', damaged('cut', 'weights.onnx', (path) => truncateSync(path, 1000))],
  },
  'a missing file': {
    code: 'INFERENCE_FILE_MISSING', exit: 3, message: /weights\.onnx \(the manifest's onnx file\) does not exist/, remedy: /again/,
    args: () => ['--model', damaged('missing', 'weights.onnx', rmSync)],
  },
  'a golden output that is not reproduced': {
    code: 'INFERENCE_GOLDEN_MISMATCH', exit: 1, message: /gives [\d.e-]+ for `\w+` of the golden input of .*, expected [\d.e-]+ ± 0\.001/, remedy: /--engine onnx|export/,
    args: () => ['--model', damaged('golden', 'golden.json', reverseGolden, true)],
  },
  'a manifest that is none': {
    code: 'INFERENCE_MANIFEST_INVALID', exit: 1, message: /manifest\.json is not JSON/, remedy: /again/,
    args: () => ['--model', damaged('manifest', 'manifest.json', (path) => writeFileSync(path, 'hello'))],
  },
  'no model': {
    code: 'INFERENCE_MODEL_NOT_FOUND', exit: 3, message: /no manifest\.json in .*nothing/, remedy: /--model/,
    args: () => ['--model', join(folder, 'nothing')],
  },
  'a port in use': {
    code: 'SERVE_PORT_IN_USE', exit: 1, message: /Port \d+ on 127\.0\.0\.1 is in use/, remedy: /--port 0/,
    args: () => ['--model', good, '--port', busyPort],
  },
  'an unknown source': {
    code: 'CAPTURE_UNKNOWN_SOURCE', exit: 2, message: /"gramophone:left" is no source: the scheme "gramophone" is unknown/, remedy: /synth.*file:PATH.*mic/,
    args: () => ['--model', good, '--source', 'synth', '--source', 'gramophone:left'],
  },
  'a source with an impossible option': {
    code: 'CAPTURE_SOURCE_SPEC_INVALID', exit: 2, message: /bpm=900 is not possible/, remedy: /40 to 180/,
    args: () => ['--model', good, '--source', 'synth?bpm=900'],
  },
  'a network without a token': {
    code: 'SERVE_OPEN_REFUSED', exit: 2, message: /no token is configured/, remedy: /--token.*--allow-open/,
    args: () => ['--model', good, '--host', '0.0.0.0'],
  },
  'an address of another machine': {
    code: 'SERVE_HOST_UNAVAILABLE', exit: 1, message: /192\.0\.2\.1 is no address of this machine/, remedy: /--host 127\.0\.0\.1/,
    args: () => ['--model', good, '--host', '192.0.2.1', '--allow-open'],
  },
};

describe.concurrent('serve does not start with', () => {
  it.each(Object.keys(refusals))('%s', async (what) => {
    const { code, exit, message, remedy, args } = refusals[what]!;
    const given = args();
    const port = given.includes('--port') ? [] : ['--port', '0'];
    const result = await runCommand(['serve', '--json', '--engine', 'onnx', '--threads', '1', '--log-level', 'silent', ...port, ...given]);
    expect(result.stdout).toBe('');
    const { error } = JSON.parse(result.stderr) as { error: StageErrorDetails };
    expect(error).toMatchObject({ code, message: expect.stringMatching(message), remedy: expect.stringMatching(remedy) });
    expect(result.code).toBe(exit);
  });
});
