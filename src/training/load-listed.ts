/** Audio of the listed recordings, with progress, and what had to be skipped named in the run's log. */
import type { FeatureParams } from '../features/index.js';
import { loadAudio, type LoadedAudio } from './audio-cache.js';
import type { Recording } from './manifest-csv.js';
import type { RunLog } from './run-log.js';

/** @param what names them in the log. Throws as loadAudio. */
export async function loadListed(listed: readonly Recording[], params: FeatureParams, log: RunLog, what = 'recordings'): Promise<LoadedAudio> {
  const clock = log.phase('audio', listed.length, 'clips');
  const loaded = await loadAudio(listed, params, {
    onProgress: (done) => clock.update(done),
    onSkip: ({ file, code, reason }) => log.line(`skipped ${file}: ${code}: ${reason}`),
    onUncached: (warning) => log.line(warning),
  });
  log.line(`audio: ${loaded.recordings.length} ${what}, ${loaded.skipped.length} skipped`);
  return loaded;
}
