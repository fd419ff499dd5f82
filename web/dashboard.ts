/** Ties state, display data and views together: messages change the state at once, the screen follows per animation frame. */
import type { Frames, ServerMessage } from '../src/protocol/messages.js';
import { decodeFrames } from './data/decode-frames.js';
import { columnHop, type LiveBuffer } from './data/live-buffer.js';
import { LiveStore } from './data/live-store.js';
import { Colors } from './draw/palette.js';
import { Station, type StationListener } from './net/station.js';
import { type AppState, type Connection, initialState, selectedStream } from './state/model.js';
import { type Action, reduce } from './state/reduce.js';
import { hashOfStream, rememberStream } from './state/selection.js';
import { Announcer } from './text/announcer.js';
import { formatPercent, titleCase } from './text/format.js';
import { byId, setAttribute, setText } from './views/dom.js';
import { HeaderView } from './views/header.js';
import { HistoryView } from './views/history.js';
import { LogView } from './views/log.js';
import { NowView } from './views/now.js';
import { PlotsView } from './views/plots.js';
import { StreamListView } from './views/stream-list.js';

/** With reduced motion the plots don't scroll; they step this often. */
const CALM_STEP_MS = 1000;
/** Countdowns and "no new label for N s" move this often. */
const TICK_MS = 1000;

/** What a paused screen shows. */
interface Frozen {
  state: AppState;
  buffer: LiveBuffer | undefined;
  atMs: number;
}

export class Dashboard implements StationListener {
  private state: AppState = initialState;
  private readonly live = new LiveStore();
  private frozen: Frozen | undefined;
  private scheduled = false;
  private plotsDrawnAtMs = 0;
  private readonly calm = matchMedia('(prefers-reduced-motion: reduce)');
  private readonly colors = new Colors(document.documentElement);
  private readonly announcer = new Announcer();
  private readonly header = new HeaderView();
  private readonly list: StreamListView;
  private readonly now: NowView;
  private readonly plots: PlotsView;
  private readonly history: HistoryView;
  private readonly log = new LogView();
  private readonly pauseButton = byId<HTMLButtonElement>('pause');
  private readonly liveRegion = byId('live');
  private readonly station: Station;

  constructor(page: URL, wanted: string | undefined) {
    this.list = new StreamListView(this.colors, (streamId) => this.select(streamId));
    this.now = new NowView(this.colors);
    this.plots = new PlotsView(this.colors, () => this.schedule());
    this.history = new HistoryView(this.colors);
    this.pauseButton.addEventListener('click', () => this.togglePause());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.recolor());
    setInterval(() => this.schedule(), TICK_MS);
    if (wanted !== undefined) this.dispatch({ type: 'select', streamId: wanted });
    this.station = new Station(page, this);
  }

  message(message: ServerMessage): void {
    this.dispatch({ type: 'message', message, nowMs: Date.now() });
    this.followSelection();
  }

  frames(message: Frames): void {
    // The distance of the columns stands in hello, which comes first on every connection.
    const { station } = this.state;
    if (station === undefined) return;
    try {
      const data = decodeFrames(message);
      this.live.write(data, columnHop(station.model.frameHopMs, data.sampleRateHz));
      this.schedule();
    } catch (error) {
      this.ignored(error instanceof Error ? error.message : String(error));
    }
  }

  connection(connection: Connection): void {
    this.dispatch({ type: 'connection', connection, nowMs: Date.now() });
  }

  ignored(reason: string): void {
    this.dispatch({ type: 'ignored', reason, nowMs: Date.now() });
  }

  /** The user's choice: kept in the address and for the next visit. */
  select(streamId: string): void {
    rememberStream(streamId);
    if (location.hash !== hashOfStream(streamId)) history.replaceState(null, '', hashOfStream(streamId));
    // A paused screen holds one stream only.
    if (this.frozen !== undefined) this.togglePause();
    this.dispatch({ type: 'select', streamId });
    this.followSelection();
  }

  private followSelection(): void {
    const streamId = selectedStream(this.state)?.streamId;
    if (streamId !== undefined) this.station.show(streamId);
  }

  private dispatch(action: Action): void {
    this.state = reduce(this.state, action);
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.render(Date.now());
    });
  }

  private render(nowMs: number): void {
    const shown = this.frozen ?? { state: this.state, buffer: this.selectedBuffer(), atMs: nowMs };
    const stream = selectedStream(shown.state);
    // Connection and log are never frozen: a paused page must not hide that the station is gone.
    this.header.render(this.state, nowMs);
    this.log.render(this.state);
    this.list.render(shown.state);
    this.now.render(stream, shown.state, shown.atMs);
    this.history.render(stream, shown.state);
    if (!this.calm.matches || nowMs - this.plotsDrawnAtMs >= CALM_STEP_MS) {
      this.plotsDrawnAtMs = nowMs;
      this.plots.render(stream, shown.buffer, shown.state);
    }
    if (this.frozen === undefined) this.announce(nowMs);
  }

  private selectedBuffer(): LiveBuffer | undefined {
    const streamId = selectedStream(this.state)?.streamId;
    return streamId === undefined ? undefined : this.live.get(streamId);
  }

  private announce(nowMs: number): void {
    const stream = selectedStream(this.state);
    if (stream?.last === undefined) return;
    const { label, confidence } = stream.last;
    const sure = label === 'unknown' ? '' : `, ${formatPercent(confidence)}`;
    const text = this.announcer.offer(`${stream.streamId}/${label}`, `${stream.title}: ${titleCase(label)}${sure}`, nowMs);
    if (text !== undefined) setText(this.liveRegion, text);
  }

  private togglePause(): void {
    const pausing = this.frozen === undefined;
    this.frozen = pausing ? { state: this.state, buffer: this.selectedBuffer()?.clone(), atMs: Date.now() } : undefined;
    setText(this.pauseButton, pausing ? 'Resume' : 'Pause');
    setAttribute(this.pauseButton, 'aria-pressed', String(pausing));
    setAttribute(byId('main'), 'data-paused', pausing ? 'true' : undefined);
    this.schedule();
  }

  private recolor(): void {
    this.colors.forget();
    for (const view of [this.list, this.now, this.plots, this.history]) view.invalidate();
    this.schedule();
  }
}
