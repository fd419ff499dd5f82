/**
 * Where a recording's heart is in its cycle: S1, systole, S2, diastole, as intervals of time, read from `states.jsonl`.
 *
 * One line per recording: `{"file": "…", "states": [[startSeconds, "S1"], …]}`, in the order of time; each state lasts
 * until the next one starts. `(N` opens a noisy stretch in which the state is unknown, and `N)` closes it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { StageError } from '../common/stage-error.js';

/** In the order of a frame head's outputs and of `frameTargets`. */
export const HEART_STATES = ['S1', 'systole', 'S2', 'diastole'] as const;

/** Finer: systole and diastole in thirds, as the phase branch hears them apart; in the order of its phases. */
export const HEART_PHASES = ['S1', 'early systole', 'mid systole', 'late systole', 'S2', 'early diastole', 'mid diastole', 'late diastole'] as const;

/** State (of HEART_STATES) that each phase is part of. */
export const STATE_OF_PHASE: readonly number[] = [0, 1, 1, 1, 2, 3, 3, 3];

/** What a frame head tells apart. */
export type FrameClasses = 'states' | 'phases';

/** How many that are. */
export function frameClassCount(classes: FrameClasses): number {
  return classes === 'states' ? HEART_STATES.length : HEART_PHASES.length;
}

/** A stretch whose state is known; `state` indexes HEART_STATES. */
export interface StateInterval {
  startS: number;
  endS: number;
  state: number;
}

/** The last state's end is not written down: it lasts no longer than this… */
const LAST_STATE_SECONDS = 0.5;
/** …and a state longer than this is a stretch that nobody marked. */
const LONGEST_STATE_SECONDS = 3;
const NAME = 'states.jsonl';

export interface HeartStates {
  /** Files that were read. */
  sources: string[];
  /** Intervals in the order of time by the recording's absolute path. */
  byPath: Map<string, StateInterval[]>;
}

/**
 * Reads every `states.jsonl` in the folder or in a folder of it. None is no error: the result is empty.
 *
 * A `file` is relative to the data folder, or to the folder of states.jsonl.
 * @throws StageError TRAINING_STATES_INVALID naming file and line.
 */
export function readHeartStates(folder: string): HeartStates {
  const root = resolve(folder);
  const below = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => join(root, entry.name)).sort();
  const sources = [root, ...below].map((at) => join(at, NAME)).filter((path) => existsSync(path));
  const byPath = new Map<string, StateInterval[]>();
  for (const source of sources) {
    for (const { line, file, states } of parseHeartStates(readFileSync(source, 'utf8'), source)) {
      const path = [join(dirname(source), file), join(root, file), join(dirname(root), file)].find((candidate) => existsSync(candidate)) ?? join(root, file);
      if (byPath.has(path)) throw invalid(source, line, `names ${file} a second time`);
      byPath.set(path, states);
    }
  }
  return { sources, byPath };
}

/** The same from text, without looking for the recordings; `path` is for messages. */
export function parseHeartStates(text: string, path: string): { line: number; file: string; states: StateInterval[] }[] {
  return text.split('\n').flatMap((row, index) => (row.trim() === '' ? [] : [{ line: index + 1, ...parseLine(row, path, index + 1) }]));
}

function parseLine(row: string, path: string, line: number): { file: string; states: StateInterval[] } {
  let value: unknown;
  try {
    value = JSON.parse(row);
  } catch (error) {
    throw invalid(path, line, `is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const { file, states } = (value ?? {}) as { file?: unknown; states?: unknown };
  if (typeof file !== 'string' || file === '') throw invalid(path, line, 'has no "file"');
  if (!Array.isArray(states)) throw invalid(path, line, `has no list "states" (${file})`);
  const marks = states.map((mark: unknown, i) => checkMark(mark, i, path, line, file));
  marks.forEach(({ startS }, i) => {
    if (i > 0 && startS < marks[i - 1]!.startS) throw invalid(path, line, `state ${i + 1} of ${file} starts at ${startS} s, before the one ahead of it (${marks[i - 1]!.startS} s)`);
  });
  return { file, states: toIntervals(marks) };
}

interface Mark {
  startS: number;
  token: string;
}

function checkMark(mark: unknown, index: number, path: string, line: number, file: string): Mark {
  const [startS, token] = Array.isArray(mark) ? (mark as unknown[]) : [];
  if (typeof startS !== 'number' || !Number.isFinite(startS) || startS < 0) throw invalid(path, line, `state ${index + 1} of ${file} starts at ${JSON.stringify(startS)}, it must be a number of seconds ≥ 0`);
  if (typeof token !== 'string' || !(token === '(N' || token === 'N)' || stateOf(token) >= 0)) {
    throw invalid(path, line, `state ${index + 1} of ${file} is ${JSON.stringify(token)}; known are ${HEART_STATES.join(', ')}, (N, N)`);
  }
  return { startS, token };
}

function toIntervals(marks: readonly Mark[]): StateInterval[] {
  const known = marks.flatMap(({ startS, token }, i) => {
    const next = marks[i + 1];
    const state = stateOf(token);
    if (state < 0 || !next || next.startS <= startS || next.startS - startS > LONGEST_STATE_SECONDS) return [];
    return [{ startS, endS: next.startS, state }];
  });
  const last = marks.at(-1);
  const state = last ? stateOf(last.token) : -1;
  if (!last || state < 0) return known;
  // As long as the shortest of its kind here: it surely lasts about so long, unless the recording ends before.
  const shortest = Math.min(LAST_STATE_SECONDS, ...known.filter((other) => other.state === state).map(({ startS, endS }) => endS - startS));
  return known.some((other) => other.state === state) ? [...known, { startS: last.startS, endS: last.startS + shortest, state }] : known;
}

function stateOf(token: string): number {
  return (HEART_STATES as readonly string[]).indexOf(token);
}

/** State at a time in seconds, or −1 where it is not known. */
export function stateAt(states: readonly StateInterval[], timeS: number): number {
  return intervalAt(states, timeS)?.state ?? -1;
}

/** The same finer, as index of HEART_PHASES. */
export function phaseAt(states: readonly StateInterval[], timeS: number): number {
  const found = intervalAt(states, timeS);
  if (!found) return -1;
  const first = STATE_OF_PHASE.indexOf(found.state);
  const parts = STATE_OF_PHASE.lastIndexOf(found.state) - first + 1;
  return first + Math.min(parts - 1, Math.floor((parts * (timeS - found.startS)) / (found.endS - found.startS)));
}

function intervalAt(states: readonly StateInterval[], timeS: number): StateInterval | undefined {
  let low = 0;
  let high = states.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (states[middle]!.startS <= timeS) low = middle + 1;
    else high = middle;
  }
  const found = states[low - 1];
  return found && timeS < found.endS ? found : undefined;
}

function invalid(path: string, line: number, what: string): StageError {
  return new StageError({
    code: 'TRAINING_STATES_INVALID',
    stage: 'training',
    message: `${path}, line ${line}: ${what}`,
    remedy: 'Correct the line ({"file": "…", "states": [[seconds, "S1" | "systole" | "S2" | "diastole" | "(N" | "N)"], …]}, in the order of time), or take the file away to train without heart states.',
  });
}
