/**
 * Structured logs. They go to stderr, so that stdout stays free for `--json`: JSON lines for programs, one readable
 * line each on a terminal.
 */
import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';
export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug';

export interface LogOptions {
  level?: LogLevel;
  /** Readable lines rather than JSON; default: whether stderr is a terminal. */
  pretty?: boolean;
  /** Where lines go instead of stderr. */
  destination?: { write(line: string): unknown };
}

const LEVEL_NAMES: Record<number, string> = { 10: 'TRACE', 20: 'DEBUG', 30: 'INFO ', 40: 'WARN ', 50: 'ERROR', 60: 'FATAL' };

/** Makes the root logger; stages take `logger.child({ stage: 'serve' })`. */
export function createLogger({ level = 'info', pretty, destination }: LogOptions = {}): Logger {
  // Written synchronously: the last lines before a crash are the ones that matter.
  const lines = destination ?? pino.destination({ dest: 2, sync: true });
  const readable = pretty ?? (destination === undefined && process.stderr.isTTY === true);
  const stream = readable ? { write: (line: string) => void lines.write(readableLine(line)) } : { write: (line: string) => void lines.write(line) };
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
}

/** `09:26:53.589 WARN  serve: client too slow  dropped=12`; a line that isn't JSON passes unchanged. */
export function readableLine(line: string): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const { level, time, msg, stage, err, ...rest } = fields;
  const clock = typeof time === 'string' ? time.slice(11, 23) : '';
  const prefix = stage === undefined ? '' : `${String(stage)}: `;
  const details = Object.entries(rest).map(([key, value]) => `  ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const stack = (err as { stack?: unknown } | undefined)?.stack;
  return `${clock} ${LEVEL_NAMES[Number(level)] ?? String(level)} ${prefix}${String(msg ?? '')}${details.join('')}${typeof stack === 'string' ? `\n${stack}` : ''}\n`;
}
