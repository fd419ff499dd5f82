/** How commands talk to people and programs: errors with remedies on stderr, tables, JSON, exit codes. */
import { StageError, toStageError } from '../common/stage-error.js';
import { namedFileError } from './file-errors.js';

/** Exit codes of every command (docs/errors.md). */
export const EXIT = {
  ok: 0,
  /** The work failed. */
  failed: 1,
  /** The command line or configuration is wrong. */
  usage: 2,
  /** An optional native part or a model that the command needs is missing. */
  missing: 3,
} as const;

/** Codes that mean: a part that can be installed, or a model, is not there. */
const MISSING = /^(CAPTURE_PORTAUDIO_MISSING|TRAINING_TENSORFLOW_MISSING|INFERENCE_(MODEL_NOT_FOUND|FILE_MISSING|ENGINE_UNAVAILABLE)|APP_NOT_BUILT)$/;
/** Codes that mean: what was asked for cannot be meant. */
const USAGE = /^(APP_(CONFIG_.*|USAGE)|CAPTURE_(UNKNOWN_SOURCE|SOURCE_SPEC_INVALID)|TRAINING_OPTION_INVALID|SERVE_(OPEN_REFUSED|TOKEN_TOO_SHORT|PORT_INVALID))$/;

/** Exit code for an error. */
export function exitCodeOf(error: StageError): number {
  if (MISSING.test(error.code)) return EXIT.missing;
  return USAGE.test(error.code) ? EXIT.usage : EXIT.failed;
}

/** Prints what went wrong and what to do, for a person (or as JSON), and returns the exit code. */
export function reportError(thrown: unknown, json = false): number {
  const error = toStageError(namedFileError(thrown), { code: 'APP_INTERNAL', stage: 'app', remedy: 'This is a defect: please report it with the lines above.' });
  if (json) {
    const { code, stage, message, remedy, streamId, retryable } = error;
    process.stderr.write(`${JSON.stringify({ error: { code, stage, message, remedy, streamId, retryable } })}\n`);
  } else {
    process.stderr.write(`stethostream: ${error.message} [${error.code}]\n`);
    if (error.remedy) process.stderr.write(`  → ${error.remedy}\n`);
    if (error.code === 'APP_INTERNAL' && error.cause instanceof Error) process.stderr.write(`${error.cause.stack ?? ''}\n`);
  }
  return exitCodeOf(error);
}

/** Lays rows out in columns; numbers are the caller's to format. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>((w, row) => row.map((cell, i) => Math.max(w[i] ?? 0, cell.length)), []);
  return rows.map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join('  ')).join('\n');
}

export const percent = (x: number): string => `${(100 * x).toFixed(0)} %`;
