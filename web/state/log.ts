/** The event log: messages → entries, repeats counted instead of listed, oldest forgotten. */
import type { Drop, ErrorMessage, Gap, Status } from '../../src/protocol/messages.js';
import { formatDurationMs, timeOf } from '../text/format.js';
import { type AppState, LIMITS, type LogEntry } from './model.js';

type Draft = Omit<LogEntry, 'id' | 'count'>;

/** Adds an entry, or counts it on the last one when it says the same. */
export function addToLog(state: AppState, draft: Draft): AppState {
  const last = state.log.at(-1);
  if (last !== undefined && saysTheSame(last, draft)) {
    const repeated = { ...last, ...draft, count: last.count + 1 };
    return { ...state, log: [...state.log.slice(0, -1), repeated] };
  }
  const entry: LogEntry = { ...draft, id: state.nextLogId, count: 1 };
  return { ...state, log: [...state.log, entry].slice(-LIMITS.log), nextLogId: state.nextLogId + 1 };
}

function saysTheSame(entry: LogEntry, draft: Draft): boolean {
  const { kind, streamId, code, text } = entry;
  if (kind !== draft.kind || streamId !== draft.streamId || code !== draft.code) return false;
  // Totals of drops and lengths of gaps differ each time; the newest text stands for all.
  return kind === 'drop' || kind === 'gap' || kind === 'ignored' || text === draft.text;
}

export function draftOfStatus(message: Status, nowMs: number): Draft {
  const severity = message.state === 'failed' ? 'error' : message.state === 'stalled' || message.state === 'recovering' ? 'warning' : 'info';
  const attempt = message.attempt > 0 ? ` (attempt ${String(message.attempt)})` : '';
  return {
    timeMs: timeOf(message.time, nowMs),
    kind: 'status',
    severity,
    streamId: message.streamId,
    code: '',
    text: `${capital(message.state)}${attempt}${message.detail === '' ? '' : `: ${message.detail}`}`,
    remedy: '',
  };
}

export function draftOfGap(message: Gap, nowMs: number): Draft {
  return {
    timeMs: timeOf(message.time, nowMs),
    kind: 'gap',
    severity: 'warning',
    streamId: message.streamId,
    code: '',
    text: `Sound missing for ${formatDurationMs(gapMs(message))} (${message.reason})`,
    remedy: '',
  };
}

export function draftOfDrop(message: Drop, nowMs: number): Draft {
  const what = message.kind === 'window' ? 'window' : 'message';
  const plural = message.count === 1 ? what : `${what}s`;
  return {
    timeMs: timeOf(message.time, nowMs),
    kind: 'drop',
    severity: 'warning',
    streamId: message.streamId,
    code: '',
    text: `${String(message.count)} ${plural} dropped, ${String(message.total)} in all (${message.reason})`,
    remedy: '',
  };
}

export function draftOfError(message: ErrorMessage, nowMs: number): Draft {
  return {
    timeMs: timeOf(message.time, nowMs),
    kind: 'error',
    severity: message.retryable ? 'warning' : 'error',
    streamId: message.streamId,
    code: message.code,
    text: message.message,
    remedy: message.remedy,
  };
}

/** Length of a gap in ms; 0 when its rate makes no sense. */
export function gapMs(message: Gap): number {
  return message.sampleRateHz > 0 ? (1000 * message.lengthSamples) / message.sampleRateHz : 0;
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
