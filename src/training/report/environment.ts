/** Where a run took place: versions, commit, machine. Noted when the run starts, so that its report can say it. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../common/paths.js';
import { VERSION } from '../../common/version.js';
import type { TensorFlowDevice } from '../../inference/engines/tensorflow-device.js';
import { deviceName, tensorFlowStatus } from '../engine/tensorflow.js';
import { writeAtomically } from '../run-log.js';

export interface RunEnvironment {
  command: string;
  startedAt: string;
  stethostream: string;
  node: string;
  /** Version of tfjs-node; null where it is not set up. */
  tensorflow: string | null;
  /** What computed, e.g. `TensorFlow 2.21.0 on the CPU`; absent in old runs. */
  engine?: string;
  /** Of the source tree; null outside a repository. A `+` marks changes that are not committed. */
  gitCommit: string | null;
  system: string;
  processor: string;
  cores: number;
  memoryGiB: number;
  /** Set when the run left no note of its own. */
  recordedAfterwards?: boolean;
}

const FILE = 'environment.json';

/** Keeps the note of the run's first process. */
export function noteEnvironment(runFolder: string, command: string, device: TensorFlowDevice): void {
  const file = join(runFolder, FILE);
  if (!existsSync(file)) writeAtomically(file, JSON.stringify({ ...environmentNow(command), engine: deviceName(device) }, null, 1));
}

/** The run's own note, or the present environment marked as such. */
export function readEnvironment(runFolder: string, command: string): RunEnvironment {
  const file = join(runFolder, FILE);
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as RunEnvironment;
  return { ...environmentNow(command), recordedAfterwards: true };
}

/** Where a run left no note of its command: what its options amount to, as far as they are plain. */
export function likelyCommand(runFolder: string, identity: Readonly<Record<string, unknown>>): string {
  return `stethostream train --preset ${String(identity['preset'] ?? 'heart')} --data ${String(identity['data'])} --run ${runFolder} --seed ${String(identity['seed'])}`;
}

function environmentNow(command: string): RunEnvironment {
  const [cpu] = cpus();
  return {
    command,
    startedAt: new Date().toISOString(),
    stethostream: VERSION,
    node: process.version,
    tensorflow: tensorFlowStatus().binding,
    gitCommit: gitCommit(),
    system: `${platform()} ${release()} ${process.arch}`,
    processor: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
  };
}

function gitCommit(): string | null {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: packageRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return git('rev-parse', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+');
  } catch {
    return null;
  }
}
