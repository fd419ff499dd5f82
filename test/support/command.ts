/** Runs the real command, `node bin/stethostream.js`, as a child process. Every child that is left over is ended by `endCommands`. */
import { spawn, type ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/common/paths.js';
import type { EngineDescription, StreamDescription } from '../../src/protocol/messages.js';
import { until } from './until.js';

export interface CommandResult {
  /** Exit code, or null when a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A command that is running. */
export interface RunningCommand {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  readonly output: { stdout: string; stderr: string };
  readonly result: Promise<CommandResult>;
}

/** What `serve --json` prints. */
export interface ServeLine {
  url: string;
  model: { name: string; version: string };
  engine: EngineDescription;
  streams: StreamDescription[];
}

export interface RunningServe extends RunningCommand {
  readonly line: ServeLine;
  readonly stream: string;
  readonly port: number;
}

const children = new Set<ChildProcess>();

/** Starts the command in an empty folder, so that no configuration file is found. */
export function startCommand(args: readonly string[], env: NodeJS.ProcessEnv = {}): RunningCommand {
  const child = spawn(process.execPath, [join(packageRoot, 'bin', 'stethostream.js'), ...args], {
    cwd: tmpdir(),
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  const output = { stdout: '', stderr: '' };
  child.stdout!.on('data', (text: Buffer) => (output.stdout += text.toString()));
  child.stderr!.on('data', (text: Buffer) => (output.stderr += text.toString()));
  const result = new Promise<CommandResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      children.delete(child);
      resolve({ code, ...output });
    });
  });
  return { child, output, result };
}

/** Runs the command to its end; ends it by force, and says so, when it takes longer than `limitMs`. */
export async function runCommand(args: readonly string[], env: NodeJS.ProcessEnv = {}, limitMs = 25_000): Promise<CommandResult> {
  const { child, output, result } = startCommand(args, env);
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`stethostream ${args.join(' ')} did not end within ${limitMs} ms; it printed\n${output.stdout}\n${output.stderr}`));
    }, limitMs);
  });
  return Promise.race([result, tooLong]).finally(() => clearTimeout(timer));
}

/** Starts `serve --json --port 0` and waits for its line. The queue is long so that a busy machine drops nothing. */
export async function startServe(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<RunningServe> {
  const port = args.includes('--port') ? [] : ['--port', '0'];
  const running = startCommand(['serve', '--json', '--engine', 'onnx', '--threads', '1', '--max-queue', '64', ...port, ...args], env);
  const { child, output } = running;
  await until(() => output.stdout.includes('\n') || child.exitCode !== null, `the line of serve ${args.join(' ')}`, 30_000);
  if (!output.stdout.includes('\n')) throw new Error(`serve ended with ${child.exitCode}: ${output.stderr}`);
  const line = JSON.parse(output.stdout.split('\n')[0]!) as ServeLine;
  const { port: bound } = new URL(line.url);
  return { ...running, line, stream: `${line.url.replace(/^http/, 'ws')}/v1/stream`, port: Number(bound) };
}

/** Ends every child that still runs. For afterAll: it does not matter what failed before. */
export async function endCommands(): Promise<void> {
  const left = [...children];
  for (const child of left) child.kill('SIGKILL');
  await Promise.all(left.map((child) => (child.exitCode !== null || child.signalCode !== null ? undefined : new Promise((resolve) => child.once('exit', resolve)))));
}
