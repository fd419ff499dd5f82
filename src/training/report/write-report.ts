/** report.html and report.json of a run: at its end, or later from its folder. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { StageError } from '../../common/stage-error.js';
import type { FeatureParams } from '../../features/index.js';
import { loadAudio } from '../audio-cache.js';
import { openDataset } from '../datasets/open-dataset.js';
import { writeAtomically } from '../run-log.js';
import { articleMaps, articleReport } from './article-report.js';
import { classMaps, type MapPlan } from './class-maps.js';
import { clipMedia, type ClipMedia } from './clip-media.js';
import { heartMaps, heartReport } from './heart-report.js';
import { reportHtml } from './html.js';
import { ownMaps, ownReport } from './own-report.js';
import type { ClipLoss, ReportData } from './report-data.js';

export interface WrittenReport {
  html: string;
  json: string;
  data: ReportData;
}

interface PresetReport {
  report: (folder: string, identity: Record<string, unknown>, results: unknown, command: string) => ReportData;
  maps: (folder: string, identity: Record<string, unknown>, results: unknown) => MapPlan;
}

/** By the preset that run.json names; the recipe `heart` names none. */
const PRESETS: Readonly<Record<string, PresetReport> & { heart: PresetReport }> = {
  heart: { report: heartReport, maps: heartMaps },
  article: { report: articleReport, maps: articleMaps },
  own: { report: ownReport, maps: ownMaps },
};

/** Largest losses with picture and sound in one report: each takes about 130 kB. */
const MAX_MEDIA = 12;

/**
 * Writes (or writes again) the report of a finished run.
 * @param command the command line, where the run's own note of it is missing.
 * @throws StageError TRAINING_RUN_UNFINISHED when the folder holds no results.
 */
export async function writeReport(runFolder: string, { command = '' }: { command?: string } = {}): Promise<WrittenReport> {
  const folder = resolve(runFolder);
  const [identity, results] = ['run.json', 'results.json'].map((name) => readJson(folder, name)) as [Record<string, unknown>, unknown];
  const preset = PRESETS[String(identity['preset'])] ?? PRESETS.heart;
  const data = preset.report(folder, identity, results, command);
  const plan = preset.maps(folder, identity, results);
  const html = reportHtml(data, await mediaOf(data, plan), plan.cell);
  writeAtomically(join(folder, 'report.html'), html);
  writeAtomically(join(folder, 'report.json'), JSON.stringify(data, null, 1));
  return { html: join(folder, 'report.html'), json: join(folder, 'report.json'), data };
}

function readJson(folder: string, name: string): unknown {
  const file = join(folder, name);
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  throw new StageError({
    code: 'TRAINING_RUN_UNFINISHED',
    stage: 'training',
    message: `${file} does not exist`,
    remedy: 'Name the folder of a finished run, or give its command again: it goes on where it was.',
  });
}

/** Picture, sound and maps of the clips that are shown; none where the recordings are gone. */
async function mediaOf(data: ReportData, plan: MapPlan): Promise<Map<string, ClipMedia>> {
  const wanted = shownClips(data);
  const params = data.again.features as FeatureParams;
  try {
    const listed = openDataset(data.again.data, { anyLabel: true }).recordings.filter((r) => wanted.has(r.file));
    const { recordings } = await loadAudio(listed, params);
    const maps = await classMaps(recordings, params, plan);
    return new Map(
      recordings.map((recording) => {
        const [of, clip] = [maps.get(recording.file), wanted.get(recording.file)];
        const shown = clip ? [...new Set([clip.called, clip.actual])] : [];
        return [recording.file, clipMedia(recording, params, of && { of, shown })];
      }),
    );
  } catch (error) {
    // The recordings may lie elsewhere by now: the figures are still worth a report.
    if (error instanceof StageError) return new Map();
    throw error;
  }
}

/** The largest losses, shared evenly over the parts, and the right calls. */
function shownClips({ parts }: ReportData): Map<string, ClipLoss> {
  const perPart = Math.floor(MAX_MEDIA / Math.max(1, parts.length));
  return new Map(parts.flatMap((part) => [...part.rightCalls, ...part.topLosses.slice(0, perPart)]).map((clip) => [clip.file, clip]));
}
