/** Decoding in workers: the same recordings, order, skips, progress and cache entries as on this thread. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { heartFeatures } from '../../../src/features/index.js';
import { loadAudio, type LoadAudioOptions } from '../../../src/training/audio-cache.js';
import { parseManifest } from '../../../src/training/manifest-csv.js';
import { bits } from './clips.js';
import { synthWav } from '../synth-dataset.js';

const folder = mkdtempSync(join(tmpdir(), 'stetho-decode-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const write = (file: string, bytes: Uint8Array | string) => writeFileSync(join(folder, file), bytes);

const good = Array.from({ length: 20 }, (_, i) => `good-${i}.wav`);
good.forEach((file, i) => write(file, synthWav(i % 2 ? 'murmur' : 'normal', 1 + (i % 5), i, i % 3 ? 4000 : 8000)));
write('text.wav', 'not a sound');
write('empty.wav', '');
write('short.wav', synthWav('normal', 0.3, 3));
write('cut.wav', synthWav('normal', 2, 5).subarray(0, 30));
// Copies are decoded at the same time and have one cache entry.
for (const file of ['copy-1.wav', 'copy-2.wav', 'copy-3.wav']) write(file, readFileSync(join(folder, 'good-4.wav')));
const files = ['text.wav', ...good.slice(0, 10), 'empty.wav', 'missing.wav', 'copy-1.wav', 'copy-2.wav', 'copy-3.wav', ...good.slice(10), 'short.wav', 'cut.wav'];
const recordings = parseManifest(['file,dataset,label', ...files.map((file) => `${file},mine,normal`)].join('\n'), 'manifest.csv', folder);

/** Everything that can be seen of one load into an empty cache. */
async function observe(name: string, options: LoadAudioOptions) {
  const cache = join(folder, name);
  const events: string[] = [];
  const loaded = await loadAudio(recordings, heartFeatures, {
    folder: cache,
    onProgress: (done, total) => events.push(`${done}/${total}`),
    onSkip: ({ file, code }) => events.push(`${file} ${code}`),
    ...options,
  });
  const entries = readdirSync(cache, { recursive: true, encoding: 'utf8' }).sort();
  const hashes = entries.filter((entry) => entry.endsWith('.f32')).map((entry) => `${entry} ${createHash('sha256').update(readFileSync(join(cache, entry))).digest('hex')}`);
  return { recordings: loaded.recordings.map(bits), skipped: loaded.skipped, events, entries, hashes };
}

describe('loadAudio with workers', () => {
  it('is what it is without, in results, order, skips, progress and cache', async () => {
    const without = await observe('cache-0', { workers: 0 });
    expect(without.recordings).toHaveLength(23);
    expect(without.skipped.map(({ file, code }) => `${file} ${code}`)).toEqual([
      'text.wav CAPTURE_FILE_UNSUPPORTED',
      'empty.wav CAPTURE_FILE_EMPTY',
      'missing.wav TRAINING_FILE_UNREADABLE',
      'short.wav TRAINING_CLIP_TOO_SHORT',
      'cut.wav CAPTURE_FILE_CORRUPT',
    ]);
    expect(without.hashes).toHaveLength(21);
    for (const options of [{ workers: 1 }, { workers: 2 }, {}]) {
      const name = `cache-${options.workers ?? 'default'}`;
      expect(await observe(name, options)).toEqual(without);
      // And again, all from the cache that the workers wrote.
      expect(await observe(name, options)).toEqual(without);
    }
  });

  it('goes on where a worker can not write the cache, and says so once', async () => {
    write('in-the-way', 'x');
    const warnings: string[] = [];
    const loaded = await loadAudio(recordings, heartFeatures, { folder: join(folder, 'in-the-way'), workers: 2, onUncached: (warning) => warnings.push(warning) });
    const cached = await loadAudio(recordings, heartFeatures, { folder: join(folder, 'cache-0') });
    expect(loaded.recordings.map(bits)).toEqual(cached.recordings.map(bits));
    expect(warnings).toEqual([expect.stringMatching(/^audio cache: .*STETHOSTREAM_CACHE/)]);
  });
});
