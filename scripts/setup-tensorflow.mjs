// Sets up TensorFlow for training, in the cache folder: @tensorflow/tfjs-node with TensorFlow's library from PyPI.
// Not a dependency in package.json, since tfjs-node's installer needs a server of Google's and its failure would undo
// the whole `npm ci`; in the cache folder, no `npm ci` wipes it.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bindingOf, buildBinding, installPackage, installPlain, requireTools } from './setup-tensorflow/binding.mjs';
import { hasLibrary, installCuda, installLibrary } from './setup-tensorflow/library.mjs';
import { SetupProblem } from './setup-tensorflow/problem.mjs';
import { verify } from './setup-tensorflow/verify.mjs';
import { TENSORFLOW_VERSION, wheelFor } from './setup-tensorflow/wheels.mjs';

const HELP = `Usage: npm run setup:tensorflow -- [options]

Sets up TensorFlow ${TENSORFLOW_VERSION} for \`stethostream train\` in ${folderOfSetup()}
(274 MB to download, 1 GB on disk, a minute; needs g++, make and Python 3). Does nothing where it is set up already,
whichever of the three it is; with --force it is built again.

  --force        install and build again
  --cpu          TensorFlow for the CPU, which is what is set up where nothing is
  --wheel FILE   use this wheel of PyPI instead of downloading it (its SHA-256 must be the expected one)
  --keep-wheel   keep the downloaded wheel
  --plain        let tfjs-node's own installer download TensorFlow 2.9.1 instead (from storage.googleapis.com)
  --gpu          TensorFlow for CUDA 12 with NVIDIA's libraries (572 MB and about 2.5 GB to download, 5.6 GB on disk).
                 Unproven: installed and run on the CPU of a machine without a GPU, never on a GPU by this project.
  --where        print the folder and end
  --help         this text

The cache folder is $STETHOSTREAM_CACHE, else $XDG_CACHE_HOME/stethostream, else ~/.cache/stethostream.`;

const OPTIONS = {
  force: { type: 'boolean', default: false },
  wheel: { type: 'string' },
  'keep-wheel': { type: 'boolean', default: false },
  plain: { type: 'boolean', default: false },
  cpu: { type: 'boolean', default: false },
  gpu: { type: 'boolean', default: false },
  where: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
};

/** As src/common/paths.ts has it: this script must run before anything is built. */
function folderOfSetup() {
  const cache = process.env.STETHOSTREAM_CACHE || join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'stethostream');
  return join(cache, 'tensorflow');
}

function readOptions() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    throw new SetupProblem(error.message, 'See `npm run setup:tensorflow -- --help`.');
  }
}

const stampOf = (folder) => join(folder, 'setup.json');

/** What is set up there, or null. */
function standing(folder) {
  try {
    readFileSync(bindingOf(folder), { flag: 'r' });
    return JSON.parse(readFileSync(stampOf(folder), 'utf8'));
  } catch {
    return null;
  }
}

/** What is asked for, else what is there: whoever set up the GPU's 5 GB keeps them when a test asks whether all is set up. */
function buildOf(options, before) {
  const asked = ['cpu', 'gpu', 'plain'].filter((build) => options[build]);
  if (asked.length > 1) throw new SetupProblem(`--${asked.join(' and --')} exclude one another`, 'Give one of them.');
  return asked[0] ?? before?.build ?? 'cpu';
}

async function main() {
  const options = readOptions();
  const folder = folderOfSetup();
  if (options.help) return console.log(HELP);
  if (options.where) return console.log(folder);
  const before = standing(folder);
  const build = buildOf(options, before);
  if (before?.build === build && !options.force) return console.log(`TensorFlow ${before.version} (${build}) is set up in ${folder}`);
  const say = (line) => console.log(`setup:tensorflow: ${line}`);
  const unlock = lock(folder);
  try {
    await (build === 'plain' ? setUpPlain(folder, say) : setUp(folder, build, options, say));
    say('trying it');
    const { version, gpu } = verify(folder);
    writeFileSync(stampOf(folder), JSON.stringify({ build, version, gpu, at: new Date().toISOString() }));
    say(`done: TensorFlow ${version} ${gpu ? 'on the GPU' : 'on the CPU'}, in ${folder}`);
    if (build === 'gpu' && !gpu) say('TensorFlow found no GPU that it can use: `nvidia-smi` should list one with driver 525 or later');
  } finally {
    unlock();
  }
}

async function setUp(folder, build, options, say) {
  const wheel = wheelFor(build);
  requireTools();
  const library = join(folder, 'libtensorflow');
  rmSync(stampOf(folder), { force: true });
  await installPackage({ folder, say });
  if (!hasLibrary(library, wheel)) {
    await installLibrary({ folder: library, downloads: join(folder, 'downloads'), wheel, given: options.wheel, keep: options['keep-wheel'], say });
  }
  if (build === 'gpu') await installCuda({ folder: library, say });
  await buildBinding({ folder, library, say });
}

async function setUpPlain(folder, say) {
  rmSync(stampOf(folder), { force: true });
  await installPackage({ folder, say });
  await installPlain({ folder, say });
}

/** Two at once would tread on each other. @returns what ends the lock. */
function lock(folder) {
  const file = join(folder, 'setup.lock');
  mkdirSync(folder, { recursive: true });
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
  } catch {
    const owner = Number(readFileSync(file, 'utf8'));
    if (owner > 0 && runs(owner)) throw new SetupProblem(`another setup:tensorflow (process ${owner}) is at work in ${folder}`, 'Wait until it has ended.');
    writeFileSync(file, String(process.pid));
  }
  return () => rmSync(file, { force: true });
}

function runs(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

main().catch((error) => {
  console.error(`setup:tensorflow: ${error instanceof SetupProblem ? error.message : error.stack}`);
  if (error.remedy) console.error(`What helps: ${error.remedy}`);
  process.exitCode = 1;
});
