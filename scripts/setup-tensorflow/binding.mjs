/** @tensorflow/tfjs-node in the cache folder: the npm package without its installer, and its binding built for the library. */
import { copyFileSync, existsSync, mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answers, run } from './command.mjs';
import { SetupProblem } from './problem.mjs';

const here = dirname(fileURLToPath(import.meta.url));

export const packageOf = (folder) => join(folder, 'node_modules', '@tensorflow', 'tfjs-node');
export const bindingOf = (folder) => join(packageOf(folder), 'lib', 'napi-v8', 'tfjs_binding.node');

/** Says what is missing before anything is downloaded. */
export function requireTools() {
  const missing = ['python3', 'make', 'g++'].filter((tool) => !answers(tool, '--version'));
  if (missing.length === 0) return;
  throw new SetupProblem(`${missing.join(', ')}: not found`, 'Install them (Debian, Ubuntu: `sudo apt-get install build-essential python3`; Fedora: `sudo dnf install gcc-c++ make python3`) and run the command again.');
}

/** The npm package and what it depends on, as the lock file here has them, without install scripts. */
export async function installPackage({ folder, say }) {
  say('installing @tensorflow/tfjs-node');
  mkdirSync(folder, { recursive: true });
  for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(here, file), join(folder, file));
  await npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], folder, 'Check that npm reaches its registry (`npm ping`) and run the command again.');
}

/** tfjs-node's own way: its installer downloads libtensorflow 2.9.1 and a binding built by its authors. */
export async function installPlain({ folder, say }) {
  say("running tfjs-node's own installer");
  rmSync(join(packageOf(folder), 'deps'), { recursive: true, force: true });
  await npm(['rebuild', '@tensorflow/tfjs-node', '--foreground-scripts'], folder, 'It needs storage.googleapis.com. Without --plain the library comes from PyPI instead.');
}

/** Compiles the binding against the library (about 15 s). It is N-API: one build serves every Node version. */
export async function buildBinding({ folder, library, say }) {
  say('building the binding');
  const target = packageOf(folder);
  const deps = join(target, 'deps');
  rmSync(deps, { recursive: true, force: true });
  // Relative, so that the cache folder may be moved.
  symlinkSync(relative(target, library), deps);
  const preGyp = join(folder, 'node_modules', '@mapbox', 'node-pre-gyp', 'bin', 'node-pre-gyp');
  const nodedir = headersFolder();
  const gyp = nodeGyp();
  await run(process.execPath, [preGyp, 'install', '--build-from-source', ...(nodedir ? [`--nodedir=${nodedir}`] : [])], {
    cwd: target,
    env: { ...process.env, ...(gyp ? { npm_config_node_gyp: gyp } : {}), PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` },
    remedy: 'The last lines above say what the compiler missed. With other compilers set $CXX; Node’s headers are looked for beside the node program.',
  });
  if (!existsSync(bindingOf(folder))) throw new SetupProblem(`the build left no ${bindingOf(folder)}`, 'Run the command again with --force.');
}

/** Where include/node lies, or null: node-gyp then downloads the headers. */
function headersFolder() {
  const roots = [dirname(dirname(realpathSync(process.execPath))), '/usr'];
  return roots.find((root) => existsSync(join(root, 'include', 'node', 'node_api.h'))) ?? null;
}

/** npm brings node-gyp along; run through `npm run` it says where. */
function nodeGyp() {
  const candidates = [process.env.npm_config_node_gyp, ...npmRoots().map((root) => join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'))];
  return candidates.find((path) => path && existsSync(path)) ?? null;
}

function npmRoots() {
  const cli = process.env.npm_execpath;
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return [...(cli ? [dirname(dirname(cli))] : []), join(prefix, 'lib', 'node_modules', 'npm'), '/usr/share/nodejs/npm'];
}

async function npm(args, cwd, remedy) {
  // Settings of the surrounding `npm run` (prefix, workspace) are not meant for this folder.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(config_(local_prefix|prefix|workspace)|package_|lifecycle_)/.test(name)));
  await run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, { cwd, env, remedy });
}
