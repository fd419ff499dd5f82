/**
 * Which TensorFlow is used: PyPI's wheels carry the C library that tfjs-node needs, newer than the one that tfjs-node
 * itself would download (2.9.1). Digests are PyPI's own, pinned here so that no index or mirror can hand out another file.
 */
import { SetupProblem } from './problem.mjs';

export const TENSORFLOW_VERSION = '2.21.0';

/** The Python version that the wheel is named after; nothing of it is run. */
export const PYTHON_TAG = '3.11';

/** By build and platform. On linux-x64 cpu has been run, and gpu without a GPU; the others have the same layout, by their file lists. */
const WHEELS = {
  cpu: {
    'linux-x64': {
      package: 'tensorflow-cpu',
      platform: 'manylinux_2_27_x86_64',
      bytes: 273829956,
      sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
      url: 'https://files.pythonhosted.org/packages/59/03/9a99555a762de8cd4a405efbd39a732d926d8e58791441889560b7675b3e/tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl',
    },
    'linux-arm64': {
      package: 'tensorflow',
      platform: 'manylinux_2_27_aarch64',
      bytes: 281828020,
      sha256: '4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c',
      url: 'https://files.pythonhosted.org/packages/9c/7c/57b7ee953b40d5d837136d20af6851b20ea6ca63753fc05699e8bcfab6d5/tensorflow-2.21.0-cp311-cp311-manylinux_2_27_aarch64.whl',
    },
  },
  gpu: {
    'linux-x64': {
      package: 'tensorflow',
      platform: 'manylinux_2_27_x86_64',
      bytes: 572440367,
      sha256: '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
      url: 'https://files.pythonhosted.org/packages/26/a1/23b9b39c046c723db63a1c2c93397703efa3400a36f98d9c717b473aafb8/tensorflow-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl',
    },
  },
};

/** @returns {{ package: string, platform: string, bytes: number, sha256: string, url: string, file: string }} */
export function wheelFor(build, platform = process.platform, arch = process.arch, musl = isMusl()) {
  const found = musl ? undefined : WHEELS[build]?.[`${platform}-${arch}`];
  if (found) return { ...found, file: found.url.slice(found.url.lastIndexOf('/') + 1) };
  throw new SetupProblem(
    `there is no TensorFlow ${TENSORFLOW_VERSION} library (${build}) for ${platform}-${arch}${musl ? ' with musl' : ''}`,
    'Train on Linux with glibc 2.27 or later (x64, arm64), or try `npm run setup:tensorflow -- --plain`, which takes what tfjs-node itself downloads.',
  );
}

/** Alpine and the like: TensorFlow's wheels need glibc. */
function isMusl() {
  return process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime === undefined;
}
