/** A run folder belongs to one set of options: going on with others would mix two runs. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { StageError } from '../common/stage-error.js';
import { writeAtomically, type RunLog } from './run-log.js';

/** Notes the identity in a fresh folder, compares it in one that is not. Throws TRAINING_RUN_MISMATCH. */
export function claimRun(run: string, identity: Readonly<Record<string, unknown>>, log: RunLog): void {
  const text = JSON.stringify(identity);
  const file = join(run, 'run.json');
  if (!existsSync(file)) {
    mkdirSync(run, { recursive: true });
    writeAtomically(file, text);
    return;
  }
  const noted = readFileSync(file, 'utf8');
  if (noted === text) return log.line(`going on in ${run}`);
  throw new StageError({
    code: 'TRAINING_RUN_MISMATCH',
    stage: 'training',
    message: `${run} holds a run with other options${differing(noted, identity)}`,
    remedy: 'Repeat its options to go on with it, or name another folder with --run.',
  });
}

function differing(noted: string, identity: Readonly<Record<string, unknown>>): string {
  const before = JSON.parse(noted) as Record<string, unknown>;
  const keys = [...new Set([...Object.keys(before), ...Object.keys(identity)])].filter((key) => JSON.stringify(before[key]) !== JSON.stringify(identity[key]));
  return keys.length > 0 ? ` (${keys.join(', ')})` : '';
}
