/** TensorFlow's C library in the cache folder: libtensorflow/{lib,include}, unpacked from the wheel, for `deps` of tfjs-node to point to. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers, run } from './command.mjs';
import { download, sha256 } from './download.mjs';
import { SetupProblem } from './problem.mjs';
import { PYTHON_TAG, TENSORFLOW_VERSION } from './wheels.mjs';

const STAMP = 'wheel.json';
const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];

/** Whether the library of this wheel is unpacked there, whole (the stamp is written last). */
export function hasLibrary(folder, wheel) {
  try {
    return JSON.parse(readFileSync(join(folder, STAMP), 'utf8')).sha256 === wheel.sha256;
  } catch {
    return false;
  }
}

/**
 * Gets the wheel and unpacks what is needed into `folder`. The wheel is removed afterwards unless it was the user's.
 * @param {{ folder: string, downloads: string, wheel: ReturnType<typeof import('./wheels.mjs').wheelFor>, given?: string, keep: boolean, say: (line: string) => void }} options
 */
export async function installLibrary({ folder, downloads, wheel, given, keep, say }) {
  const path = given ?? (await obtain(wheel, downloads, say));
  if (given && (await sha256(given)) !== wheel.sha256) {
    throw new SetupProblem(`${given} is not ${wheel.file} (its SHA-256 is another)`, `Pass the file that ${wheel.url} gives.`);
  }
  say('unpacking TensorFlow');
  const next = `${folder}.next`;
  rmSync(next, { recursive: true, force: true });
  mkdirSync(next, { recursive: true });
  await unpack(path, next);
  writeFileSync(join(next, STAMP), JSON.stringify({ file: wheel.file, sha256: wheel.sha256, version: TENSORFLOW_VERSION }));
  rmSync(folder, { recursive: true, force: true });
  renameSync(next, folder);
  if (!given && !keep) rmSync(path);
}

/** The wheel's path, from an earlier run, by pip (which knows the user's mirrors) or straight over HTTPS. */
async function obtain(wheel, downloads, say) {
  const path = join(downloads, wheel.file);
  if (existsSync(path)) {
    if ((await sha256(path)) === wheel.sha256) return path;
    rmSync(path);
  }
  say(`downloading ${wheel.file} (${Math.round(wheel.bytes / 1e6)} MB)`);
  if (!existsSync(`${path}.part`) && answers('python3', '-m', 'pip', '--version') && (await byPip(wheel, downloads, say))) return path;
  await download({ ...wheel, path });
  return path;
}

/** @returns {Promise<boolean>} false where pip could not: HTTPS may. */
async function byPip(wheel, downloads, say) {
  mkdirSync(downloads, { recursive: true });
  const requirements = join(downloads, 'requirements.txt');
  writeFileSync(requirements, `${wheel.package}==${TENSORFLOW_VERSION} --hash=sha256:${wheel.sha256}\n`);
  const args = ['-m', 'pip', 'download', '--no-deps', '--require-hashes', '--only-binary=:all:', '--python-version', PYTHON_TAG, '--platform', wheel.platform, '--no-cache-dir', '--disable-pip-version-check', '--dest', downloads, '-r', requirements];
  try {
    await run('python3', args, { visible: process.stderr.isTTY === true, remedy: '' });
    return existsSync(join(downloads, wheel.file));
  } catch (error) {
    say(`pip could not (${error.message.trim().split('\n').at(-1)}); trying ${new URL(wheel.url).host}`);
    return false;
  } finally {
    rmSync(requirements, { force: true });
  }
}

/** A wheel is a zip; Python, which node-gyp needs anyway, reads it. */
async function unpack(wheel, folder) {
  const script = `
import sys, zipfile, os, shutil
wheel, folder = sys.argv[1:]
headers = ('tensorflow/include/tensorflow/c/', 'tensorflow/include/tensorflow/core/platform/ctstring', 'tensorflow/include/tsl/platform/ctstring', 'tensorflow/include/xla/tsl/c/', 'tensorflow/include/tensorflow/compiler/tf2xla/')
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        base = name.rsplit('/', 1)[-1]
        if name.startswith('tensorflow/libtensorflow_') and '.so' in base: to = 'lib/' + base
        elif name.startswith(headers) and name.endswith('.h'): to = 'include/' + name[len('tensorflow/include/'):]
        elif name.endswith('.dist-info/METADATA'): to = 'METADATA'
        elif base.startswith('LICENSE') and '.dist-info/' in name: to = 'LICENSE'
        else: continue
        path = os.path.join(folder, to)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with archive.open(name) as source, open(path, 'wb') as target: shutil.copyfileobj(source, target, 1 << 20)
`;
  await run('python3', ['-c', script, wheel, folder], { remedy: 'Check that the disk of the cache folder has 1.5 GB free, then run the command again.' });
  for (const library of LIBRARIES) {
    if (!existsSync(join(folder, 'lib', library))) throw new SetupProblem(`${wheel} holds no ${library}`, 'Remove the file and run the command again.');
    // The linker asks for lib<name>.so: libtensorflow.so is what the C library was once called.
    symlinkSync(library, join(folder, 'lib', library.replace('_cc.so.2', '.so').replace(/\.so\.2$/, '.so')));
  }
}

/**
 * CUDA's libraries as NVIDIA's wheels carry them, those that TensorFlow's own `and-cuda` extra names, where
 * TensorFlow's run path looks: nvidia/<part>/lib beside lib.
 */
export async function installCuda({ folder, say }) {
  const metadata = readFileSync(join(folder, 'METADATA'), 'utf8');
  const wanted = [...metadata.matchAll(/^Requires-Dist: (nvidia-[^;]+);\s*extra == ['"]and-cuda['"]/gm)].map(([, requirement]) => requirement.trim());
  if (wanted.length === 0) throw new SetupProblem(`${join(folder, 'METADATA')} names no CUDA packages`, 'Run the command again with --force.');
  if (existsSync(join(folder, 'nvidia'))) return;
  say(`downloading CUDA: ${wanted.length} packages, about 2.5 GB`);
  const next = join(folder, 'cuda.next');
  rmSync(next, { recursive: true, force: true });
  await run('python3', ['-m', 'pip', 'install', '--no-deps', '--only-binary=:all:', '--no-compile', '--disable-pip-version-check', '--target', next, ...wanted], {
    visible: process.stderr.isTTY === true,
    remedy: 'pip and 6 GB of disk are needed; check both and run the command again.',
  });
  renameSync(join(next, 'nvidia'), join(folder, 'nvidia'));
  rmSync(next, { recursive: true, force: true });
}
