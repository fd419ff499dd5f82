/** The large view's head: current label, confidence, quality with its reasons, this window's own probabilities. */
import type { Prediction } from '../../src/protocol/messages.js';
import { type Colors, labelStyle } from '../draw/palette.js';
import { shapePath } from '../draw/shape.js';
import { type AppState, isOver, type StreamView } from '../state/model.js';
import { formatClock, formatDurationMs, formatPercent, titleCase } from '../text/format.js';
import { labelText, reasonText, stateText } from '../text/reasons.js';
import { byId, make, makeShape, setAttribute, setBar, setHidden, setText } from './dom.js';

/** A live stream that gave no label for so many hops (and at least so long) is said to be silent. */
const SILENT_HOPS = 6;
const SILENT_MS = 5000;

export class NowView {
  private readonly title = byId('now-title');
  private readonly chip = byId('now-state');
  private readonly notice = byId('now-notice');
  private readonly shape = byId<SVGSVGElement>('now-shape');
  private readonly label = byId('now-label');
  private readonly experimental = byId('now-experimental');
  private readonly note = byId('now-note');
  private readonly confidence = { text: byId('confidence-text'), bar: byId('confidence-bar') };
  private readonly quality = { text: byId('quality-text'), bar: byId('quality-bar') };
  private readonly reasons = byId('reasons');
  private readonly latency = byId('latency-text');
  private readonly probabilities: ProbabilityList;
  private drawn: Prediction | undefined;

  constructor(private readonly colors: Colors) {
    this.probabilities = new ProbabilityList(colors);
  }

  render(stream: StreamView | undefined, state: AppState, nowMs: number): void {
    setText(this.title, stream?.title ?? 'No stream yet');
    setHidden(this.chip, stream === undefined);
    if (stream !== undefined) {
      setText(this.chip, stateText(stream.state));
      setAttribute(this.chip, 'data-state', stream.state);
    }
    this.renderNotice(stream, state, nowMs);
    if (this.drawn === stream?.last && this.drawn !== undefined) return;
    this.drawn = stream?.last;
    if (stream?.last === undefined) this.renderNothing(stream);
    else this.renderPrediction(stream.last, state.station?.model.experimentalLabels ?? []);
  }

  invalidate(): void {
    this.drawn = undefined;
    this.probabilities.invalidate();
  }

  private renderNotice(stream: StreamView | undefined, state: AppState, nowMs: number): void {
    const text = stream === undefined ? '' : noticeText(stream, state, nowMs);
    setText(this.notice, text);
    setHidden(this.notice, text === '');
  }

  private renderNothing(stream: StreamView | undefined): void {
    this.setShape('unknown');
    setText(this.label, 'No label yet');
    setText(this.note, isOver(stream) ? 'This stream is over.' : 'The first label comes when one window of sound is complete.');
    setHidden(this.experimental, true);
    for (const { text, bar } of [this.confidence, this.quality]) {
      setText(text, '–');
      setBar(bar, 0, 'transparent');
    }
    setText(this.latency, '–');
    this.reasons.replaceChildren();
    this.probabilities.clear();
  }

  private renderPrediction(prediction: Prediction, experimentalLabels: readonly string[]): void {
    const { label, confidence, quality } = prediction;
    this.setShape(label);
    setText(this.label, titleCase(label));
    setText(this.note, label === 'unknown' ? unknownText(prediction) : labelText(label));
    setHidden(this.experimental, !experimentalLabels.includes(label));
    setText(this.confidence.text, formatPercent(confidence));
    setBar(this.confidence.bar, confidence, this.colors.ofLabel(label));
    setText(this.quality.text, formatPercent(quality.score));
    setBar(this.quality.bar, quality.score, this.colors.get('--accent'));
    this.renderReasons(quality.reasons.map(reasonText));
    setText(this.latency, formatDurationMs(prediction.latencyMs));
    this.probabilities.render(prediction, experimentalLabels);
  }

  private setShape(label: string): void {
    setAttribute(this.shape.firstElementChild!, 'd', shapePath(labelStyle(label).shape));
    this.shape.style.color = this.colors.ofLabel(label);
    setAttribute(this.shape, 'data-label', label);
  }

  private renderReasons(texts: readonly string[]): void {
    if ([...this.reasons.children].map((item) => item.textContent).join('|') === texts.join('|')) return;
    this.reasons.replaceChildren(...texts.map((text) => make('li', '', text)));
  }
}

/** `Unknown` is a result, and says why. */
function unknownText({ rawLabel, confidence, quality }: Prediction): string {
  const because = quality.reasons.length === 0 ? '' : ` because: ${quality.reasons.map(reasonText).join(', ')}`;
  return `No label given${because}. Most likely this window: ${rawLabel}; smoothed confidence ${formatPercent(confidence)}.`;
}

function noticeText(stream: StreamView, state: AppState, nowMs: number): string {
  const { connection } = state;
  if (connection.state !== 'open' && stream.last !== undefined) return `Not connected: what you see is from ${formatClock(stream.arrivedAtMs)}.`;
  const attempt = stream.attempt > 0 ? ` (attempt ${String(stream.attempt)})` : '';
  if (stream.state !== 'live') return `${stateText(stream.state)}${attempt}${stream.detail === '' ? '.' : `: ${stream.detail}`}`;
  const limitMs = Math.max(SILENT_MS, SILENT_HOPS * (state.station?.model.hopMs ?? 0));
  const silentMs = nowMs - stream.arrivedAtMs;
  if (stream.last === undefined || silentMs < limitMs) return '';
  return `No new label for ${formatDurationMs(1000 * Math.floor(silentMs / 1000))}: what you see is the last one.`;
}

/** One row per model label, in the model's order. */
class ProbabilityList {
  private readonly list = byId('probabilities');
  private rows = new Map<string, { text: HTMLElement; bar: HTMLElement; row: HTMLElement }>();
  private key = '';

  constructor(private readonly colors: Colors) {}

  render({ probabilities, rawLabel }: Prediction, experimentalLabels: readonly string[]): void {
    const labels = Object.keys(probabilities);
    const key = [...labels, '/', ...experimentalLabels].join(' ');
    if (key !== this.key) this.build(labels, experimentalLabels, key);
    for (const [label, { text, bar, row }] of this.rows) {
      const value = probabilities[label] ?? 0;
      setText(text, formatPercent(value));
      setBar(bar, value, this.colors.ofLabel(label));
      row.classList.toggle('most-likely', label === rawLabel);
    }
  }

  clear(): void {
    this.list.replaceChildren();
    this.invalidate();
  }

  invalidate(): void {
    this.key = '';
  }

  private build(labels: readonly string[], experimentalLabels: readonly string[], key: string): void {
    this.key = key;
    this.rows = new Map();
    this.list.replaceChildren(...labels.map((label) => this.buildRow(label, experimentalLabels.includes(label))));
  }

  private buildRow(label: string, experimental: boolean): HTMLElement {
    const row = make('li');
    const shape = makeShape(shapePath(labelStyle(label).shape), 'shape');
    shape.style.color = this.colors.ofLabel(label);
    const name = make('span', 'name', titleCase(label));
    if (experimental) name.append(' ', make('span', 'badge small', 'experimental'));
    const text = make('b');
    const bar = make('div', 'bar');
    bar.append(make('i'));
    row.append(shape, name, text, bar);
    this.rows.set(label, { text, bar, row });
    return row;
  }
}
