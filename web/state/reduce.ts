/** State + what happened → next state. Pure: the clock comes in with the action. */
import type { Drop, Gap, Hello, Prediction, ServerMessage, Status, StreamDescription } from '../../src/protocol/messages.js';
import { timeOf } from '../text/format.js';
import { addToLog, draftOfDrop, draftOfError, draftOfGap, draftOfStatus, gapMs } from './log.js';
import { type AppState, type Connection, HISTORY_MS, LIMITS, type Mark, type StreamView } from './model.js';

export type Action =
  | { type: 'message'; message: ServerMessage; nowMs: number }
  | { type: 'connection'; connection: Connection; nowMs: number }
  | { type: 'select'; streamId: string }
  | { type: 'ignored'; reason: string; nowMs: number };

/** Older history than the strip shows is kept for this long, so that its left edge stays filled. */
const SPARE_MS = 10_000;

export function reduce(state: AppState, action: Action): AppState {
  switch (action.type) {
    case 'message':
      return reduceMessage(state, action.message, action.nowMs);
    case 'connection':
      return reduceConnection(state, action.connection, action.nowMs);
    case 'select':
      return state.wanted === action.streamId ? state : { ...state, wanted: action.streamId };
    case 'ignored':
      return addToLog(
        { ...state, ignored: state.ignored + 1 },
        {
          timeMs: action.nowMs,
          kind: 'ignored',
          severity: 'warning',
          streamId: undefined,
          code: '',
          text: `Ignored a message that can't be read: ${action.reason}`,
          remedy: '',
        },
      );
  }
}

function reduceMessage(state: AppState, message: ServerMessage, nowMs: number): AppState {
  switch (message.type) {
    case 'hello':
      return greet(state, message);
    case 'prediction':
      return withStream(state, message.streamId, (stream) => predict(stream, message, nowMs));
    case 'status':
      return addToLog(withStream(state, message.streamId, (stream) => changeState(stream, message)), draftOfStatus(message, nowMs));
    case 'gap':
      return addToLog(withStream(state, message.streamId, (stream) => mark(stream, gapMark(message, nowMs))), draftOfGap(message, nowMs));
    case 'drop': {
      const marked =
        message.streamId === undefined ? state : withStream(state, message.streamId, (stream) => mark(stream, dropMark(message, nowMs)));
      return addToLog(marked, draftOfDrop(message, nowMs));
    }
    case 'error':
      return addToLog(state, draftOfError(message, nowMs));
    case 'frames':
      // Bulk data is kept outside (data/live-buffer.ts).
      return state;
  }
}

function reduceConnection(state: AppState, connection: Connection, nowMs: number): AppState {
  const next = { ...state, connection };
  const wasOpen = state.connection.state === 'open';
  if (connection.state === 'open' && !wasOpen) return addToLog(next, connectionDraft('Connected to the station.', 'info', nowMs));
  if (connection.state === 'waiting' && wasOpen) {
    return addToLog(next, connectionDraft(`Connection lost: ${connection.reason}`, 'warning', nowMs));
  }
  if (connection.state === 'failed') return addToLog(next, connectionDraft(connection.reason, 'error', nowMs));
  return next;
}

function connectionDraft(text: string, severity: 'info' | 'warning' | 'error', timeMs: number) {
  return { timeMs, kind: 'connection', severity, streamId: undefined, code: '', text, remedy: '' } as const;
}

/** The station's list replaces ours; what we know of a stream that is still there stays. */
function greet(state: AppState, hello: Hello): AppState {
  const streams = new Map<string, StreamView>();
  for (const description of hello.streams.slice(0, LIMITS.streams)) {
    const known = state.streams.get(description.streamId);
    const detail = known !== undefined && known.state === description.state ? known.detail : '';
    streams.set(description.streamId, { ...(known ?? newStream(description)), ...pickDescription(description), detail });
  }
  const { disclaimer, server, model, engine, labels } = hello;
  return { ...state, streams, station: { disclaimer, server, model, engine, labels } };
}

function pickDescription({ streamId, title, source, live, state }: StreamDescription): StreamDescription {
  return { streamId, title, source, live, state };
}

function newStream(description: StreamDescription): StreamView {
  return { ...pickDescription(description), detail: '', attempt: 0, last: undefined, arrivedAtMs: 0, history: [], marks: [] };
}

/** Changes one stream; a stream that the station added since `hello` is made known by its first message. */
function withStream(state: AppState, streamId: string, change: (stream: StreamView) => StreamView): AppState {
  const known = state.streams.get(streamId);
  if (known === undefined && state.streams.size >= LIMITS.streams) return state;
  const stream = known ?? newStream({ streamId, title: streamId, source: '', live: true, state: 'live' });
  const changed = change(stream);
  return changed === known ? state : { ...state, streams: new Map(state.streams).set(streamId, changed) };
}

function predict(stream: StreamView, message: Prediction, nowMs: number): StreamView {
  const endMs = timeOf(message.window.endTime, nowMs);
  const entry = { endMs, label: message.label, confidence: message.confidence, qualityScore: message.quality.score };
  const oldest = endMs - HISTORY_MS - SPARE_MS;
  // Entries at or after the new one come from a clock that was set back; the strip needs ascending times.
  const kept = stream.history.filter((old) => old.endMs >= oldest && old.endMs < endMs);
  const marks = stream.marks.some((old) => old.timeMs < oldest) ? stream.marks.filter((old) => old.timeMs >= oldest) : stream.marks;
  return { ...stream, last: message, arrivedAtMs: nowMs, history: [...kept, entry].slice(-LIMITS.predictions), marks };
}

function changeState(stream: StreamView, message: Status): StreamView {
  return { ...stream, state: message.state, detail: message.detail, attempt: message.attempt };
}

function mark(stream: StreamView, added: Mark): StreamView {
  return { ...stream, marks: [...stream.marks, added].slice(-LIMITS.marks) };
}

function gapMark(message: Gap, nowMs: number): Mark {
  return { kind: 'gap', timeMs: timeOf(message.time, nowMs), lengthMs: gapMs(message), text: message.reason };
}

function dropMark(message: Drop, nowMs: number): Mark {
  return { kind: 'drop', timeMs: timeOf(message.time, nowMs), lengthMs: 0, text: `${String(message.count)} dropped: ${message.reason}` };
}
