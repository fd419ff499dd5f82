/** The list of streams: one card each with state, current label and a sparkline of the last labels. */
import { Surface } from '../draw/canvas.js';
import { paintSparkline } from '../draw/history.js';
import { type Colors, labelStyle } from '../draw/palette.js';
import { shapePath } from '../draw/shape.js';
import { type AppState, selectedStream, type StreamView } from '../state/model.js';
import { blocksOf } from '../state/runs.js';
import { formatPercent, titleCase } from '../text/format.js';
import { stateText } from '../text/reasons.js';
import { byId, make, makeShape, setAttribute, setHidden, setText } from './dom.js';

export class StreamListView {
  private readonly list = byId<HTMLUListElement>('stream-list');
  private readonly count = byId('stream-count');
  private readonly empty = byId('streams-empty');
  private readonly cards = new Map<string, StreamCard>();
  private revealed: string | undefined;

  constructor(
    private readonly colors: Colors,
    private readonly onSelect: (streamId: string) => void,
  ) {
    this.list.addEventListener('keydown', (event) => this.moveFocus(event));
  }

  render(state: AppState): void {
    const selected = selectedStream(state)?.streamId;
    for (const [streamId, card] of this.cards) {
      if (state.streams.has(streamId)) continue;
      card.element.remove();
      this.cards.delete(streamId);
    }
    for (const stream of state.streams.values()) this.cardOf(stream).render(stream, stream.streamId === selected, hopOf(state));
    this.reveal(selected);
    setText(this.count, state.streams.size === 0 ? '' : String(state.streams.size));
    setHidden(this.empty, state.streams.size > 0);
    setText(this.empty, state.station === undefined ? 'Waiting for the station…' : 'The station has no streams. Start it with --source.');
  }

  /** Brings a newly selected card into sight, by scrolling the list only. */
  private reveal(selected: string | undefined): void {
    if (selected === this.revealed || selected === undefined) return;
    this.revealed = selected;
    const card = this.cards.get(selected)?.element.getBoundingClientRect();
    if (card === undefined) return;
    // The column scrolls on wide screens, the row of cards on narrow ones.
    for (const scroller of [this.list, this.list.parentElement!]) {
      const box = scroller.getBoundingClientRect();
      scroller.scrollLeft += overshoot(card.left, card.right, box.left, box.right);
      scroller.scrollTop += overshoot(card.top, card.bottom, box.top, box.bottom);
    }
  }

  /** Draws everything anew, e.g. in another colour scheme. */
  invalidate(): void {
    for (const card of this.cards.values()) card.invalidate();
  }

  private cardOf(stream: StreamView): StreamCard {
    let card = this.cards.get(stream.streamId);
    if (card === undefined) {
      card = new StreamCard(this.colors, () => this.onSelect(stream.streamId));
      this.cards.set(stream.streamId, card);
      this.list.append(card.element);
    }
    return card;
  }

  private moveFocus(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const buttons = [...this.list.querySelectorAll('button')];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const next = buttons[at + step];
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  }
}

class StreamCard {
  readonly element = make('li');
  private readonly button = make('button', 'stream');
  private readonly title = make('span', 'stream-title');
  private readonly chip = make('span', 'state-chip');
  private readonly shape = makeShape('', 'shape');
  private readonly label = make('span', 'stream-label');
  private readonly canvas = make('canvas', 'sparkline');
  private readonly surface: Surface;
  private drawn: StreamView | undefined;

  constructor(
    private readonly colors: Colors,
    onClick: () => void,
  ) {
    this.button.type = 'button';
    this.canvas.setAttribute('aria-hidden', 'true');
    this.button.append(this.title, this.shape, this.label, this.canvas, this.chip);
    this.button.addEventListener('click', onClick);
    this.element.append(this.button);
    this.surface = new Surface(this.canvas, () => this.redrawSparkline());
  }

  private hopMs = 0;

  render(stream: StreamView, selected: boolean, hopMs: number): void {
    setAttribute(this.button, 'aria-current', selected ? 'true' : undefined);
    if (this.drawn === stream && this.hopMs === hopMs) return;
    const newHistory = this.drawn?.history !== stream.history || this.hopMs !== hopMs;
    this.drawn = stream;
    this.hopMs = hopMs;
    setText(this.title, stream.title);
    setAttribute(this.button, 'title', stream.source === '' ? stream.streamId : `${stream.streamId} (${stream.source})`);
    setText(this.chip, stateText(stream.state));
    setAttribute(this.chip, 'data-state', stream.state);
    this.renderLabel(stream);
    if (newHistory) this.redrawSparkline();
  }

  invalidate(): void {
    if (this.drawn !== undefined) this.renderLabel(this.drawn);
    this.redrawSparkline();
  }

  private renderLabel({ last }: StreamView): void {
    const label = last?.label ?? 'unknown';
    setText(this.label, last === undefined ? 'No label yet' : `${titleCase(label)} ${label === 'unknown' ? '' : formatPercent(last.confidence)}`.trim());
    setAttribute(this.shape.firstElementChild!, 'd', shapePath(labelStyle(label).shape));
    this.shape.style.color = this.colors.ofLabel(label);
  }

  private redrawSparkline(): void {
    if (this.drawn !== undefined) paintSparkline(this.surface, blocksOf(this.drawn.history.slice(-80), this.hopMs), this.colors);
  }
}

/** How far to scroll so that from…to lies within low…high. */
function overshoot(from: number, to: number, low: number, high: number): number {
  return from < low ? from - low : Math.max(0, to - high);
}

function hopOf(state: AppState): number {
  return state.station?.model.hopMs ?? 1000;
}
