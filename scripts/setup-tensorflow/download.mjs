/** A file over HTTPS: goes on where a broken download stopped, checks length and SHA-256, shows progress. */
import cliProgress from 'cli-progress';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SetupProblem } from './problem.mjs';

/** Hexadecimal SHA-256 of a file. */
export async function sha256(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/**
 * Downloads to `path`; what came before an interruption stays in `path.part` and is gone on from.
 * @param {{ url: string, path: string, bytes: number, sha256: string }} file
 */
export async function download(file) {
  const part = `${file.path}.part`;
  mkdirSync(dirname(file.path), { recursive: true });
  if (existsSync(part) && statSync(part).size > file.bytes) rmSync(part);
  if (!existsSync(part) || statSync(part).size < file.bytes) await fetchRest(file, part);
  const found = await sha256(part);
  if (found !== file.sha256) {
    rmSync(part);
    throw new SetupProblem(`${file.url} has SHA-256 ${found}, ${file.sha256} was expected; the file was removed`, 'Run the command again; if it stays so, whatever serves that address serves another file: do not use it.');
  }
  renameSync(part, file.path);
}

async function fetchRest({ url, bytes }, part) {
  const have = existsSync(part) ? statSync(part).size : 0;
  const remedy = 'Check the network and run the command again: it goes on where it stopped. Or fetch the file elsewhere and pass it with --wheel FILE.';
  let response;
  try {
    response = await fetch(url, { headers: have > 0 ? { range: `bytes=${have}-` } : {} });
  } catch (error) {
    throw new SetupProblem(`${url} cannot be reached: ${error.cause?.message ?? error.message}`, remedy, error);
  }
  if (!response.ok || !response.body) throw new SetupProblem(`${url} answered ${response.status} ${response.statusText}`, remedy);
  // A server that ignores the range sends it all.
  const from = response.status === 206 ? have : 0;
  const bar = progressBar(bytes, from);
  const count = new Transform({
    transform(chunk, _encoding, done) {
      bar.increment(chunk.length);
      done(null, chunk);
    },
  });
  try {
    await pipeline(Readable.fromWeb(response.body), count, createWriteStream(part, { flags: from > 0 ? 'a' : 'w' }));
  } catch (error) {
    const full = error.code === 'ENOSPC';
    throw new SetupProblem(`the download of ${url} broke off after ${existsSync(part) ? statSync(part).size : 0} of ${bytes} bytes: ${error.message}`, full ? 'Free 1.5 GB on the disk of the cache folder and run the command again.' : remedy, error);
  } finally {
    bar.stop();
  }
}

/** A bar on a terminal, nothing else elsewhere. */
function progressBar(bytes, from) {
  const bar = new cliProgress.SingleBar({
    format: '  [{bar}] {percentage}% of {megabytes} MB, {eta_formatted} left',
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  });
  bar.start(bytes, from, { megabytes: Math.round(bytes / 1e6) });
  return bar;
}
