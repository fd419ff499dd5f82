import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/common/paths.js';
import { HEART_PHASES, HEART_STATES, parseHeartStates, phaseAt, readHeartStates, STATE_OF_PHASE, stateAt } from '../../src/training/heart-states.js';

const folder = mkdtempSync(join(tmpdir(), 'stetho-states-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const line = (states: unknown, file = 'a.wav') => JSON.stringify({ file, states });
const parse = (states: unknown) => parseHeartStates(line(states), 'states.jsonl')[0]!.states;

describe('heart states', () => {
  it('makes intervals of starts; noisy stretches and what follows them up to the next state stay unknown', () => {
    const states = parse([[0, 'systole'], [0.2, 'S2'], [0.3, 'diastole'], [0.7, '(N'], [1.5, 'N)'], [1.6, 'S1'], [1.7, 'systole'], [2, '(N']]);
    expect(states.map(({ startS, endS, state }) => [startS, endS, HEART_STATES[state]])).toEqual([
      [0, 0.2, 'systole'],
      [0.2, 0.3, 'S2'],
      [0.3, 0.7, 'diastole'],
      [1.6, 1.7, 'S1'],
      [1.7, 2, 'systole'],
    ]);
    const at = (time: number) => HEART_STATES[stateAt(states, time)] ?? '?';
    expect([0, 0.1999, 0.2, 0.69, 0.7, 1, 1.55, 1.65, 2, 9].map(at)).toEqual(['systole', 'systole', 'S2', 'diastole', '?', '?', '?', 'S1', '?', '?']);
    expect(stateAt([], 1)).toBe(-1);
    expect(stateAt(states, -1)).toBe(-1);
  });

  it('cuts systole and diastole into thirds', () => {
    const states = parse([[0, 'S1'], [0.1, 'systole'], [0.4, 'S2'], [0.5, 'diastole'], [1.1, '(N']]);
    const at = (time: number) => HEART_PHASES[phaseAt(states, time)] ?? '?';
    expect([0, 0.09, 0.1, 0.19, 0.21, 0.29, 0.31, 0.39, 0.41].map(at)).toEqual(['S1', 'S1', 'early systole', 'early systole', 'mid systole', 'mid systole', 'late systole', 'late systole', 'S2']);
    expect([0.5, 0.69, 0.71, 0.89, 0.91, 1.09, 1.1, -1].map(at)).toEqual(['early diastole', 'early diastole', 'mid diastole', 'mid diastole', 'late diastole', 'late diastole', '?', '?']);
  });

  it('has phases that are part of the states', () => {
    const states = parse([[0, 'diastole'], [0.37, 'S1'], [0.51, 'systole'], [0.93, 'S2'], [1, 'diastole'], [1.7, 'S1'], [1.8, '(N']]);
    for (let time = -0.1; time < 2; time += 0.007) {
      const phase = phaseAt(states, time);
      expect(phase < 0 ? -1 : STATE_OF_PHASE[phase]).toBe(stateAt(states, time));
    }
    expect(HEART_PHASES).toHaveLength(STATE_OF_PHASE.length);
    HEART_PHASES.forEach((name, phase) => expect(name).toContain(HEART_STATES[STATE_OF_PHASE[phase]!]));
  });

  it('lets the last state last as long as the shortest of its kind, at most half a second, and not at all when it is the only one', () => {
    expect(parse([[0, 'S1'], [0.1, 'systole'], [0.4, 'S2'], [0.5, 'S1']]).at(-1)).toEqual({ startS: 0.5, endS: 0.6, state: 0 });
    expect(parse([[0, 'diastole'], [0.9, 'S1'], [1, 'diastole']]).at(-1)).toEqual({ startS: 1, endS: 1.5, state: 3 });
    expect(parse([[0, 'S1'], [0.1, 'systole']])).toHaveLength(1);
    expect(parse([])).toEqual([]);
  });

  it.each([
    ['{"file": "a.wav", "states": [[0, "S1"]', 'line 2: is no JSON'],
    ['[]', 'line 2: has no "file"'],
    ['null', 'line 2: has no "file"'],
    ['{"file": "a.wav"}', 'line 2: has no list "states" (a.wav)'],
    [line([[0, 'S3']]), 'line 2: state 1 of a.wav is "S3"; known are S1'],
    [line([[0, 'S1'], ['x', 'S2']]), 'line 2: state 2 of a.wav starts at "x"'],
    [line([[0, 'S1'], [-1, 'S2']]), 'line 2: state 2 of a.wav starts at -1'],
    [line([[1, 'S1'], [0.5, 'S2']]), 'line 2: state 2 of a.wav starts at 0.5 s, before the one ahead of it (1 s)'],
    [line([[0, 'S1'], 7]), 'line 2: state 2 of a.wav starts at undefined'],
  ])('refuses %s', (row, message) => {
    expect(() => parseHeartStates(`${line([], 'ok.wav')}\n${row}\n`, '/data/states.jsonl')).toThrow(
      expect.objectContaining({ code: 'TRAINING_STATES_INVALID', message: expect.stringContaining(`/data/states.jsonl, ${message}`) as string }),
    );
  });

  it('finds files beside states.jsonl and below the data folder, and takes none for no states', () => {
    expect(readHeartStates(folder)).toEqual({ sources: [], byPath: new Map() });
    mkdirSync(join(folder, 'physionet2016', 'training-a'), { recursive: true });
    for (const name of ['a.wav', 'b.wav']) writeFileSync(join(folder, 'physionet2016', 'training-a', name), '');
    const states = join(folder, 'physionet2016', 'states.jsonl');
    writeFileSync(states, `${line([[0, 'S1'], [0.1, 'systole']], 'physionet2016/training-a/a.wav')}\n${line([], 'training-a/b.wav')}\n`);
    const wanted = ['a.wav', 'b.wav'].map((name) => join(folder, 'physionet2016', 'training-a', name));
    for (const opened of [folder, join(folder, 'physionet2016')]) {
      const read = readHeartStates(opened);
      expect(read.sources).toEqual([states]);
      expect([...read.byPath.keys()]).toEqual(wanted);
      expect(read.byPath.get(wanted[0]!)).toEqual([{ startS: 0, endS: 0.1, state: 0 }]);
    }
    writeFileSync(states, `${line([], 'training-a/b.wav')}\n${line([], 'physionet2016/training-a/b.wav')}\n`);
    expect(() => readHeartStates(folder)).toThrow(/line 2: names physionet2016\/training-a\/b.wav a second time/);
  });

  const shared = join(packageRoot, '..', 'shared', 'data');
  it.skipIf(!existsSync(join(shared, 'physionet2016', 'states.jsonl')))('reads the shared PhysioNet states (needs ../shared/data)', () => {
    const { byPath } = readHeartStates(shared);
    expect(byPath.size).toBe(2840);
    const seconds = [0, 0, 0, 0];
    const missing: string[] = [];
    let empty = 0;
    for (const [path, states] of byPath) {
      if (!existsSync(path)) missing.push(path);
      for (const { startS, endS, state } of states) {
        if (endS <= startS) empty++;
        seconds[state]! += endS - startS;
      }
    }
    expect(missing).toEqual([]);
    expect(empty).toBe(0);
    // What a heart does: S1 and S2 are short, diastole is the longest.
    const [s1 = 0, systole = 0, s2 = 0, diastole = 0] = seconds;
    expect(diastole).toBeGreaterThan(systole);
    expect(systole).toBeGreaterThan(s1);
    expect(s1).toBeGreaterThan(s2);
  });
});
