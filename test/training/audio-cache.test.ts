import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { articleFeatures, heartFeatures } from '../../src/features/index.js';
import { loadAudio } from '../../src/training/audio-cache.js';
import { parseManifest } from '../../src/training/manifest-csv.js';
import { synthWav } from './synth-dataset.js';

const folder = mkdtempSync(join(tmpdir(), 'stetho-cache-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const manifest = (...files: string[]) => parseManifest(['file,dataset,label', ...files.map((file) => `${file},mine,normal`)].join('\n'), 'manifest.csv', folder);
const write = (file: string, bytes: Uint8Array | string) => writeFileSync(join(folder, file), bytes);
const cache = join(folder, 'cache');
const entries = () => readdirSync(cache, { recursive: true }).filter((name) => String(name).endsWith('.f32'));

describe('audio cache', () => {
  it('gives the same from the cache as from the file, at the rate of the features', async () => {
    write('a.wav', synthWav('normal', 2, 1));
    const first = await loadAudio(manifest('a.wav'), heartFeatures, { folder: cache });
    const second = await loadAudio(manifest('a.wav'), heartFeatures, { folder: cache });
    expect(second).toEqual(first);
    expect(first.recordings[0]?.pcm).toHaveLength(4000);
    expect(first.recordings[0]?.durationS).toBe(2);
    expect(entries()).toHaveLength(1);
  });

  it('is keyed by content and by what shapes the result, never stale', async () => {
    write('a.wav', synthWav('murmur', 2, 2));
    const changed = await loadAudio(manifest('a.wav'), heartFeatures, { folder: cache });
    const other = await loadAudio(manifest('a.wav'), articleFeatures, { folder: cache });
    expect(entries()).toHaveLength(3);
    expect(other.recordings[0]?.pcm).toHaveLength(8000);
    expect(changed.recordings[0]?.pcm).toHaveLength(4000);
  });

  it('names, counts and leaves out what can not be used', async () => {
    write('short.wav', synthWav('normal', 0.3, 3));
    write('silent.wav', synthWav('normal', 2, 4).map((byte, i) => (i < 44 ? byte : 0)));
    write('text.wav', 'not a sound');
    write('empty.wav', '');
    write('cut.wav', synthWav('normal', 2, 5).subarray(0, 30));
    const told: string[] = [];
    const { recordings, skipped } = await loadAudio(manifest('short.wav', 'a.wav', 'silent.wav', 'text.wav', 'empty.wav', 'cut.wav', 'missing.wav'), heartFeatures, {
      folder: cache,
      onSkip: ({ file }) => told.push(file),
    });
    expect(recordings.map((r) => r.file)).toEqual(['a.wav']);
    expect(skipped.map((s) => `${s.file} ${s.code}`)).toEqual([
      'short.wav TRAINING_CLIP_TOO_SHORT',
      'silent.wav TRAINING_CLIP_SILENT',
      'text.wav CAPTURE_FILE_UNSUPPORTED',
      'empty.wav CAPTURE_FILE_EMPTY',
      'cut.wav CAPTURE_FILE_CORRUPT',
      'missing.wav TRAINING_FILE_UNREADABLE',
    ]);
    expect(told).toHaveLength(6);
  });

  it('refuses a set without one good file', async () => {
    await expect(loadAudio(manifest('text.wav'), heartFeatures, { folder: cache })).rejects.toMatchObject({ code: 'TRAINING_NO_AUDIO', message: expect.stringContaining('text.wav') as string });
  });

  it('goes on where the cache can not be written, and says so once', async () => {
    write('b.wav', synthWav('normal', 2, 6));
    // A file where the folder should be: fails for root too.
    write('in-the-way', 'x');
    chmodSync(join(folder, 'in-the-way'), 0o400);
    const warnings: string[] = [];
    const { recordings } = await loadAudio(manifest('a.wav', 'b.wav'), heartFeatures, { folder: join(folder, 'in-the-way'), onUncached: (warning) => warnings.push(warning) });
    expect(recordings.map(({ file }) => file)).toEqual(['a.wav', 'b.wav']);
    expect(warnings).toEqual([expect.stringMatching(/^audio cache: can't write .*in-the-way.*TRAINING_CACHE_UNWRITABLE.*STETHOSTREAM_CACHE/)]);
  });
});
