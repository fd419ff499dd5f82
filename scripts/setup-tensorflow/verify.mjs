/** Proof that what was installed computes: a product of matrices in a process of its own, as a broken library may abort it. */
import { spawnSync } from 'node:child_process';
import { SetupProblem } from './problem.mjs';

const PROGRAM = `
const util = require('node:util');
util.isNullOrUndefined ??= (value) => value === null || value === undefined;
util.isArray ??= Array.isArray;
const tf = require('@tensorflow/tfjs-node');
const product = [...tf.matMul(tf.tensor2d([[1, 2], [3, 4]]), tf.tensor2d([[5, 6], [7, 8]])).dataSync()];
const { binding } = tf.backend();
console.log(JSON.stringify({ product, backend: tf.getBackend(), version: binding.TF_Version, gpu: binding.isUsingGpuDevice() }));
`;

/** @returns {{ version: string, gpu: boolean }} of the TensorFlow that ran. */
export function verify(folder) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['-e', PROGRAM], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' },
  });
  const found = status === 0 ? JSON.parse(stdout.trim().split('\n').at(-1)) : null;
  if (found?.product.join() === '19,22,43,50' && found.backend === 'tensorflow') return found;
  const what = found ? `it computed ${found.product} on the back end ${found.backend}` : `exit status ${status ?? signal}\n${stderr.trim().split('\n').slice(-8).join('\n')}`;
  throw new SetupProblem(`TensorFlow was installed in ${folder} but a 2×2 product fails: ${what}`, 'Run the command again with --force; if it stays so, report it with this message.');
}
