/** What the dashboard knows, as plain immutable data. Bulk display data (spectrogram, waveform) lives in web/data. */
import type {
  EngineDescription,
  ModelDescription,
  Prediction,
  StreamState,
} from '../../src/protocol/messages.js';

/** Length of the history strip in ms. */
export const HISTORY_MS = 120_000;
/** Most predictions, marks, log entries and streams that are kept, whatever a station sends. */
export const LIMITS = { predictions: 1200, marks: 200, log: 200, streams: 128 } as const;

export type Connection =
  | { state: 'connecting' }
  | { state: 'open' }
  /** Tries again at `retryAtMs`, on the browser's clock. */
  | { state: 'waiting'; retryAtMs: number; reason: string }
  /** Trying again can't help. */
  | { state: 'failed'; reason: string };

/** One window's result, as far as the history needs it. */
export interface HistoryEntry {
  /** UTC ms at which the window ended. */
  endMs: number;
  label: string;
  confidence: number;
  qualityScore: number;
}

/** Something that interrupts the history. */
export interface Mark {
  kind: 'gap' | 'drop';
  timeMs: number;
  /** Missing time before `timeMs`, 0 for drops. */
  lengthMs: number;
  text: string;
}

export interface StreamView {
  streamId: string;
  title: string;
  source: string;
  live: boolean;
  state: StreamState;
  /** What the station said with the last change of state. */
  detail: string;
  attempt: number;
  last: Prediction | undefined;
  /** When `last` came, on the browser's clock. */
  arrivedAtMs: number;
  /** Ascending by endMs. */
  history: readonly HistoryEntry[];
  marks: readonly Mark[];
}

/** True when nothing more will come of it. */
export function isOver(stream: StreamView | undefined): boolean {
  return stream?.state === 'failed' || stream?.state === 'ended';
}

export interface LogEntry {
  /** Grows with each new entry. */
  id: number;
  timeMs: number;
  kind: 'status' | 'gap' | 'drop' | 'error' | 'connection' | 'ignored';
  severity: 'info' | 'warning' | 'error';
  streamId: string | undefined;
  /** Error code, `''` for the other kinds. */
  code: string;
  text: string;
  remedy: string;
  /** How many like it came in a row. */
  count: number;
}

export interface StationView {
  disclaimer: string;
  server: { name: string; version: string };
  model: ModelDescription;
  engine: EngineDescription;
  labels: readonly string[];
}

export interface AppState {
  connection: Connection;
  station: StationView | undefined;
  /** By streamId, in the station's order. */
  streams: ReadonlyMap<string, StreamView>;
  /** The stream the user asked for; it may not exist (yet). */
  wanted: string | undefined;
  /** Newest last. */
  log: readonly LogEntry[];
  nextLogId: number;
  /** Messages that could not be read. */
  ignored: number;
}

export const initialState: AppState = {
  connection: { state: 'connecting' },
  station: undefined,
  streams: new Map(),
  wanted: undefined,
  log: [],
  nextLogId: 1,
  ignored: 0,
};

/** The stream of the large view: the one asked for, else the first. */
export function selectedStream(state: AppState): StreamView | undefined {
  if (state.wanted !== undefined) {
    const wanted = state.streams.get(state.wanted);
    if (wanted !== undefined) return wanted;
  }
  return state.streams.values().next().value;
}
