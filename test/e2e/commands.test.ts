/** The other commands, as a user calls them: what they print, where, and with which exit code they end. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readWav } from '../../src/capture/files/wav-reader.js';
import { DISCLAIMER } from '../../src/common/disclaimer.js';
import { VERSION } from '../../src/common/version.js';
import { checkServerMessage } from '../../src/protocol/validate.js';
import { tensorFlowStatus } from '../../src/training/engine/tensorflow.js';
import type { LiveState } from '../../src/training/watch/live-run.js';
import { endCommands, runCommand, startCommand } from '../support/command.js';
import { HEART_LABELS, writeHeartPackage } from '../support/heart-package.js';
import { heart, writeWav } from '../support/sounds.js';
import { until } from '../support/until.js';
import { heartLike, writeDataset } from '../training/synth-dataset.js';
import type { ClipResult } from '../../src/app/commands/classify.js';
import type { StageErrorDetails } from '../../src/common/stage-error.js';

const folder = mkdtempSync(join(tmpdir(), 'stethostream-commands-'));
const model = join(folder, 'model');
const wav = join(folder, 'heart.wav');
const ENGINE = ['--engine', 'onnx', '--threads', '1', '--model', model];

beforeAll(async () => {
  await writeHeartPackage(model);
  writeWav(wav, heart(6));
});
afterAll(async () => {
  await endCommands();
  rmSync(folder, { recursive: true, force: true });
});

/** The error that `--json` puts on stderr. */
function errorOf(stderr: string): StageErrorDetails {
  const line = stderr.split('\n').find((text) => text.startsWith('{"error"'));
  return (JSON.parse(line ?? 'null') as { error: StageErrorDetails }).error;
}

describe.concurrent('--help', () => {
  const commands = [[], ['serve'], ['classify'], ['train'], ['evaluate'], ['devices'], ['record'], ['doctor'], ['bench'], ['config'], ['config', 'print']];

  it('of every command goes to stdout and exits with 0', async () => {
    for (let i = 0; i < commands.length; i += 3) {
      const helps = await Promise.all(commands.slice(i, i + 3).map((command) => runCommand([...command, '--help'])));
      helps.forEach(({ code, stdout, stderr }, k) => {
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        expect(stdout).toMatch(new RegExp(`^Usage: stethostream ${commands[i + k]!.join(' ')}`.trim()));
        expect(stdout).toContain('--help');
      });
    }
  });

  it('at the top names every command, the exit codes and the disclaimer', async () => {
    const { stdout } = await runCommand(['--help']);
    for (const name of ['serve', 'classify', 'train', 'evaluate', 'devices', 'record', 'doctor', 'bench', 'config']) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    expect(stdout).toContain('Exit codes: 0 done, 1 failed, 2 ');
    expect(stdout.replace(/\s+/g, ' ')).toContain(DISCLAIMER);
  });

  it('--version prints the version', async () => {
    expect(await runCommand(['--version'])).toMatchObject({ code: 0, stdout: `${VERSION}\n` });
  });
});

describe.concurrent('a wrong command line exits with 2 and says what is possible', () => {
  it.each<[string, string[], RegExp]>([
    ['an unknown command', ['listen'], /unknown command 'listen'[^]*--help/],
    ['an unknown flag', ['serve', '--volume', '11'], /unknown option '--volume'[^]*--help/],
    ['no file to classify', ['classify'], /missing required argument 'file'/],
    ['a port that is none', ['serve', '--port', '99999'], /server\.port = 99999 \(flag --port\) is not allowed; expected an integer with value ≥ 0, value ≤ 65535[^]*APP_CONFIG_INVALID[^]*→/],
    ['a configuration file that is not there', ['config', 'print', '--config', '/nowhere.yaml'], /\/nowhere\.yaml does not exist \[APP_CONFIG_NOT_FOUND\]/],
    ['seconds that are none', ['record', '/tmp/never.wav', '--source', 'synth', '--seconds', 'long'], /--seconds is long[^]*APP_USAGE/],
    ['options that a source does not have', ['serve', '--source', 'synth?volume=11'], /it has no option "volume" \[CAPTURE_SOURCE_SPEC_INVALID\]/],
    ['nothing to train on', ['train'], /required option '--data <folder>'/],
    ['a benchmark that is none', ['bench', 'everything', '--model', '/no/model'], /there is no benchmark everything \[APP_USAGE\]\n {2}→ Choose one of pipeline/],
    ['too many arguments', ['devices', 'all'], /too many arguments for 'devices'/],
  ])('%s', async (_what, args, says) => {
    const { code, stdout, stderr } = await runCommand(args);
    expect(stderr).toMatch(says);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});

describe.concurrent('what is missing exits with 3 and says how to get it', () => {
  it.each([['classify', wav], ['serve', '--port', '0']])('a model, for %s', async (...args) => {
    const { code, stderr } = await runCommand([...args, '--json', '--model', '/no/model']);
    expect(errorOf(stderr)).toMatchObject({ code: 'INFERENCE_MODEL_NOT_FOUND', remedy: expect.stringContaining('--model'), message: expect.stringContaining('/no/model') });
    expect(code).toBe(3);
  });

  it('an engine asked for by name', async () => {
    const { code, stderr } = await runCommand(['classify', wav, '--json', '--model', model, '--engine', 'cuda']);
    expect(errorOf(stderr)).toMatchObject({ code: 'INFERENCE_ENGINE_UNAVAILABLE', remedy: expect.stringContaining('--engine onnx') });
    expect(code).toBe(3);
  });
});

describe.concurrent('classify', () => {
  it('--json prints one object per file with every window, and goes on after a bad one with exit code 1', async () => {
    const { code, stdout, stderr } = await runCommand(['classify', '/nowhere.wav', wav, '--json', ...ENGINE]);
    expect(errorOf(stderr)).toMatchObject({ code: 'CAPTURE_FILE_NOT_FOUND', message: 'there is no file /nowhere.wav' });
    expect(code).toBe(1);
    const [result, ...others] = stdout.trim().split('\n').map((line) => JSON.parse(line) as ClipResult);
    expect(others).toEqual([]);
    expect(result).toMatchObject({ file: wav, label: expect.stringMatching(/./), disclaimer: DISCLAIMER });
    // 6 s: 376 frames; 188 of them every 16.
    expect(result!.windows.map(({ seq }) => seq)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    for (const window of result!.windows) expect(checkServerMessage(window)).toMatchObject({ ok: true });
    for (const label of HEART_LABELS) {
      const mean = result!.windows.reduce((sum, { probabilities }) => sum + probabilities[label]!, 0) / 12;
      expect(result!.probabilities[label]).toBeCloseTo(mean, 9);
    }
  });

  it('prints a line for people, its windows on demand, and the disclaimer', async () => {
    const { code, stdout } = await runCommand(['classify', wav, '--windows', ...ENGINE]);
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toMatch(/heart\.wav: [A-Z]+(?: because of [a-z, -]+)? {2}\(normal \d+ %, .*; 12 windows, quality \d+ %\)/);
    expect(lines).toHaveLength(14);
    expect(lines[1]).toMatch(/^ {2}0\.00–\d\.\d\d s/);
    expect(lines.at(-1)).toBe(DISCLAIMER);
  });

  it('says why a recording is unknown, and that it is damaged', async () => {
    const silent = join(folder, 'silent.wav');
    writeWav(silent, new Float32Array(16_000));
    writeFileSync(silent, readFileSync(silent).subarray(0, -100));
    const { stdout, stderr } = await runCommand(['classify', silent, ...ENGINE]);
    expect(stdout).toMatch(/silent\.wav: UNKNOWN because of silence/);
    expect(stderr).toMatch(/silent\.wav: the header states \d+ bytes of data, the file holds/);
  });
});

describe.concurrent('evaluate and train', () => {
  it.each([['evaluate', '/nowhere', '--model', model], ['train', '--data', '/nowhere', '--run', join(folder, 'run')]])('%s says that there is no folder of recordings', async (...args) => {
    const { code, stdout, stderr } = await runCommand([...args, '--json']);
    // Training needs TensorFlow, which may not be set up here: then it says so first.
    if (code === 3) return expect(errorOf(stderr)).toMatchObject({ code: 'TRAINING_TENSORFLOW_MISSING', remedy: expect.stringContaining('npm run setup:tensorflow') });
    expect(errorOf(stderr)).toMatchObject({ code: expect.stringMatching(/^TRAINING_(FOLDER|MANIFEST)_MISSING$/), message: expect.stringContaining('/nowhere'), remedy: expect.stringMatching(/folder that holds/) });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });

  it.skipIf(!tensorFlowStatus().installed)('train --watch shows the run while it goes on, killed and begun again (needs `npm run setup:tensorflow`)', async () => {
    const data = join(folder, 'recordings');
    writeDataset(data, heartLike().filter(({ dataset }) => dataset === 'yaseen'));
    const args = ['train', '--preset', 'own', '--data', data, '--run', join(folder, 'watched'), '--folds', '2', '--windows', '400', '--batch-size', '2', '--checkpoint-every-steps', '10', '--watch', '0'];
    const watched = async (shown: (state: LiveState) => boolean): Promise<void> => {
      const { child, output, result } = startCommand(args);
      await until(() => /watch this run at http\S+/.test(output.stderr), 'the address of the page', 60_000);
      const [url] = /http:\S+/.exec(output.stderr)!;
      await until(async () => shown((await (await fetch(`${url}state`)).json()) as LiveState), 'what the page is to show', 120_000);
      child.kill('SIGKILL');
      await result;
    };
    await watched(({ progress }) => progress?.phase === 'fold-1' && progress.loss !== undefined && progress.done >= 40);
    // What it shows of the first 20 steps is from before the kill.
    await watched(({ chart, lines }) => lines.some((line) => /goes on from step \d0 of 200/.test(line)) && chart.includes('training loss'));
  }, 400_000);
});

describe.concurrent('record', () => {
  it('writes what it says it wrote', async () => {
    const output = join(folder, 'recorded.wav');
    const { code, stdout } = await runCommand(['record', output, '--source', `file:${wav}?speed=max`, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ path: output, seconds: 6, lostSeconds: 0 });
    const [original, copy] = [wav, output].map((path) => readWav(readFileSync(path), path));
    expect(copy!.sampleRateHz).toBe(original!.sampleRateHz);
    expect(copy!.samples).toEqual(original!.samples);
  });

  it('stops after --seconds, and at Ctrl-C with what it has', async () => {
    const [timed, stopped] = [join(folder, 'timed.wav'), join(folder, 'stopped.wav')];
    const running = startCommand(['record', stopped, '--source', 'synth', '--json']);
    const { code, stdout } = await runCommand(['record', timed, '--source', 'synth', '--seconds', '1', '--json']);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { seconds: number }).seconds).toBeCloseTo(1, 0);
    await until(() => existsSync(stopped) && readFileSync(stopped).length > 1000, 'a recording');
    running.child.kill('SIGINT');
    expect(await running.result).toMatchObject({ code: 0 });
    const { seconds } = JSON.parse(running.output.stdout) as { seconds: number };
    expect(readWav(readFileSync(stopped), stopped).durationMs).toBeCloseTo(1000 * seconds, 3);
  });

  it('makes no file of a source that cannot be read', async () => {
    const output = join(folder, 'never.wav');
    const { code, stdout, stderr } = await runCommand(['record', output, '--source', 'file:/nowhere.wav', '--json']);
    expect(errorOf(stderr)).toMatchObject({ code: 'CAPTURE_FILE_NOT_FOUND' });
    expect({ code, stdout, made: existsSync(output) }).toEqual({ code: 1, stdout: '', made: false });
  });

  it('overwrites only with --force', async () => {
    const output = join(folder, 'precious.wav');
    writeFileSync(output, 'precious');
    const args = ['record', output, '--source', `file:${wav}?speed=max`];
    expect(await runCommand(args)).toMatchObject({ code: 2, stderr: expect.stringMatching(/precious\.wav exists \[APP_USAGE\][^]*--force/) });
    expect(readFileSync(output, 'utf8')).toBe('precious');
    expect(await runCommand([...args, '--force'])).toMatchObject({ code: 0, stdout: expect.stringContaining('6.00 s') });
  });
});

describe.concurrent('what is there', () => {
  it('config print --json says value and origin of every setting, and hides tokens', async () => {
    writeFileSync(join(folder, 'station.yaml'), 'server:\n  port: 8700\nlabels: { margin: 0.2 }\n');
    const { code, stdout } = await runCommand(['config', 'print', '--json', '--config', join(folder, 'station.yaml'), '--margin', '0.3', '--token', 'a secret of mine'], { STETHOSTREAM_ENGINE: 'onnx' });
    expect(code).toBe(0);
    const byKey = Object.fromEntries((JSON.parse(stdout) as { key: string; value: unknown; origin: string }[]).map(({ key, value, origin }) => [key, { value, origin }]));
    expect(byKey['server.port']).toEqual({ value: 8700, origin: expect.stringMatching(/^file .*station\.yaml$/) });
    expect(byKey['labels.margin']).toEqual({ value: 0.3, origin: 'flag --margin' });
    expect(byKey['engine']).toEqual({ value: 'onnx', origin: 'environment STETHOSTREAM_ENGINE' });
    expect(byKey['model']).toEqual({ value: 'heart-resnet34', origin: 'default' });
    expect(byKey['server.tokens']).toEqual({ value: ['(hidden)'], origin: 'flag --token' });
    expect(stdout).not.toContain('secret');
  });

  it('doctor --json finds Node, audio, model and every engine, each with a remedy where it is not there', async () => {
    const { code, stdout } = await runCommand(['doctor', '--json', '--model', model]);
    expect(code).toBe(0);
    const { version, findings } = JSON.parse(stdout) as { version: string; findings: { what: string; state: string; detail: string; remedy: string }[] };
    expect(version).toBe(VERSION);
    expect(findings.map(({ what }) => what)).toEqual(expect.arrayContaining(['Node', 'audio input', 'model', 'engine onnx', 'engine cuda', 'engine webgpu', 'engine tensorflow', 'TensorFlow']));
    for (const { what, state, detail, remedy } of findings) {
      expect(detail, what).not.toBe('');
      expect(remedy !== '', what).toBe(state !== 'ok');
    }
    expect(findings.find(({ what }) => what === 'engine onnx')).toMatchObject({ state: 'ok', detail: expect.stringContaining('on cpu') });
  });

  it('doctor exits with 1 and the remedy when the model is not there', async () => {
    const { code, stdout } = await runCommand(['doctor', '--model', '/no/model']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/BROKEN {3}model .*\/no\/model[^]*→ .*--model/);
  });

  it('devices --json prints a list, or says what to install', async () => {
    const { code, stdout, stderr } = await runCommand(['devices', '--json']);
    if (code === 0) expect(JSON.parse(stdout)).toBeInstanceOf(Array);
    else {
      expect(code).toBe(3);
      expect(errorOf(stderr)).toMatchObject({ code: 'CAPTURE_PORTAUDIO_MISSING', remedy: expect.stringContaining('npm run setup:audio') });
    }
  });
});
