import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { heartFeatures } from '../../../src/features/index.js';
import { Phonocardiogram } from '../../../src/capture/synth/phonocardiogram.js';
import { readWav } from '../../../src/capture/files/wav-reader.js';
import type { LoadedRecording } from '../../../src/training/audio-cache.js';
import { labelSet } from '../../../src/training/label-map.js';
import { clipMedia } from '../../../src/training/report/clip-media.js';
import { encodePng } from '../../../src/training/report/png.js';
import { reportPart } from '../../../src/training/report/report-data.js';
import { confusionTable, table } from '../../../src/training/report/tables.js';
import { escapeText, lineChart, short, ticks } from '../../../src/training/report/svg.js';
import { ONE_HALF, type ClipPrediction } from '../../../src/training/summary.js';

function prediction(file: string, label: string, probabilities: number[], subject = file): ClipPrediction {
  return { file, dataset: 'pascal-b', site: 'A', group: `pascal-b|${subject}`, label, set: labelSet('pascal-b', label), durationS: 3, windows: 1, probabilities };
}

describe('report part', () => {
  const part = reportPart(
    [
      prediction('a', 'normal', [0.9, 0.1, 0, 0], 's1'),
      prediction('b', 'normal', [0.2, 0.8, 0, 0], 's1'),
      prediction('c', 'normal', [0.3, 0.7, 0, 0], 's2'),
      prediction('d', 'murmur', [0.4, 0.6, 0, 0], 's3'),
      prediction('e', 'murmur', [0.99, 0.01, 0, 0], 's4'),
    ],
    { name: 'p', title: 'P', note: '', floors: null, thresholds: ONE_HALF, seed: 1 },
  );

  it('ranks losses and confusions', () => {
    expect(part.topLosses.map((clip) => clip.file)).toEqual(['e', 'b', 'c', 'd', 'a']);
    expect(part.topLosses[0]).toMatchObject({ actual: 'murmur', called: 'normal', confidence: 0.99, subject: 's4', loss: expect.closeTo(-Math.log(0.01), 6) as number });
    expect(part.confused).toEqual([
      { actual: 'normal', called: 'murmur', count: 2, share: expect.closeTo(2 / 3) as number },
      { actual: 'murmur', called: 'normal', count: 1, share: 0.5 },
    ]);
  });

  it('counts by subject', () => {
    expect(part.subjects.find((s) => s.subject === 's1')).toMatchObject({ clips: 2, right: 1 });
    expect(part.bySite).toEqual({});
  });

  it('shows the confusion with counts and rates', () => {
    const html = confusionTable(part);
    expect(html).toContain('<b>2</b><small>.667</small>');
    expect(html).toContain('<b>1</b><small>.500</small>');
  });
});

describe('markup', () => {
  it('never lets a name of a file become markup', () => {
    const evil = '"><script>alert(1)</script>\'';
    expect(escapeText(evil)).not.toMatch(/[<>"']/);
    expect(table(['a'], [[evil]])).not.toContain('<script');
    expect(lineChart({ title: evil, x: { label: evil, min: 0, max: 1 }, y: { label: '', min: 0, max: 1 }, series: [{ name: evil, colour: '#000', points: [{ x: 0, y: 0, note: evil }], marks: true }] })).not.toContain('<script');
  });

  it('puts ticks at round values within the axis', () => {
    expect(ticks({ label: '', min: 0, max: 1 })).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1].map((x) => expect.closeTo(x) as number));
    expect(ticks({ label: '', min: 3, max: 2500 })).toEqual([500, 1000, 1500, 2000, 2500]);
    expect(ticks({ label: '', min: 2e-7, max: 10, log: true }).map(short)).toEqual(['1e-6', '1e-5', '1e-4', '0.001', '0.01', '0.1', '1', '10']);
  });

  it('draws points where the axes say, and none that is no number', () => {
    const svg = lineChart({ title: 't', width: 276, height: 250, x: { label: '', min: 0, max: 10 }, y: { label: '', min: 0, max: 1 }, series: [{ name: 's', colour: '#000', points: [{ x: 0, y: 0 }, { x: 5, y: NaN }, { x: 10, y: 1 }] }] });
    expect(svg).toContain('d="M52 210L252 10"');
  });
});

describe('pictures and sounds', () => {
  it('PNG: sizes, palette and rows as the levels say', () => {
    const png = Buffer.from(encodePng(Float32Array.of(0, 0.5, 1, 2, -1, 0.25), 3, 2));
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([3, 2]);
    const at = png.indexOf('IDAT');
    const data = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
    expect([...data]).toEqual([0, 0, 128, 255, 0, 255, 0, 64]);
  });

  it('clip: a spectrogram with a column per frame and sound that decodes, cut at 10 s', () => {
    const pcm = new Phonocardiogram({ seed: 1, sampleRateHz: 2000 }).render(24_000);
    const media = clipMedia({ pcm } as LoadedRecording, heartFeatures);
    expect(media).toMatchObject({ seconds: 10, cut: true });
    const png = Buffer.from(media.spectrogram.split(',')[1] ?? '', 'base64');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([626, 64]);
    const wav = readWav(Buffer.from(media.audio.split(',')[1] ?? '', 'base64'), 'clip.wav');
    expect(wav).toMatchObject({ sampleRateHz: 4000, channels: 1, durationMs: 10_000, warnings: [] });
    expect(Math.max(...wav.samples.map(Math.abs))).toBeCloseTo(29_000 / 32_768, 3);
  });
});
