/** Running other programs. */
import { spawn, spawnSync } from 'node:child_process';
import { SetupProblem } from './problem.mjs';

/** Lines of output kept for the message when a program fails. */
const TAIL_LINES = 25;

/** Whether a program is there and answers. */
export function answers(program, ...args) {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

/**
 * Runs a program to its end; its output is shown only when it fails, or all along with `visible`.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, visible?: boolean, remedy: string }} options
 */
export async function run(program, args, { cwd, env = process.env, visible = false, remedy }) {
  const child = spawn(program, args, { cwd, env, stdio: visible ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'] });
  const lines = [];
  const collect = (data) => {
    lines.push(...String(data).split('\n'));
    lines.splice(0, Math.max(0, lines.length - TAIL_LINES));
  };
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  const outcome = await new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code === 0 ? null : `exit status ${code ?? signal}`));
  });
  if (outcome !== null) throw new SetupProblem(`${program} ${args.join(' ')}: ${outcome}\n${lines.join('\n')}`, remedy);
}
