/** Live waveform and spectrogram over one time axis, newest at the right. */
import { LIVE_SECONDS, type LiveBuffer } from '../data/live-buffer.js';
import { Surface } from '../draw/canvas.js';
import { buildColorMap } from '../draw/color-map.js';
import { type MelAxis, melTicks } from '../draw/mel-scale.js';
import type { Colors } from '../draw/palette.js';
import { SpectrogramPainter } from '../draw/spectrogram.js';
import { type MarkedWindow, paintWaveform } from '../draw/waveform.js';
import { type AppState, isOver, type StreamView } from '../state/model.js';
import { renderTicks } from './axis.js';
import { byId, setHidden, setText } from './dom.js';

/** Least height of a tick label, as a fraction of the spectrogram's height. */
const MEL_TICK_SPACING = 0.1;

export class PlotsView {
  private readonly wave: Surface;
  private readonly mel: Surface;
  private readonly painter = new SpectrogramPainter();
  private readonly waveAxis = byId('wave-axis');
  private readonly melAxis = byId('mel-axis');
  private readonly empty = byId('plots-empty');
  private readonly legend = { box: byId('db-legend'), min: byId('db-min'), max: byId('db-max') };
  private scale: number | undefined;
  private scaleOf: LiveBuffer['format'] | undefined;
  private axisKey = '';
  private drawn = '';
  private drawnBuffer: LiveBuffer | undefined;

  constructor(
    private readonly colors: Colors,
    onResize: () => void,
  ) {
    const again = () => {
      this.invalidate();
      onResize();
    };
    this.wave = new Surface(byId<HTMLCanvasElement>('waveform'), again);
    this.mel = new Surface(byId<HTMLCanvasElement>('spectrogram'), again);
    renderTicks(byId('time-axis'), timeTicks(), 'x');
    paintColorScale(byId<HTMLCanvasElement>('db-scale'));
  }

  render(stream: StreamView | undefined, buffer: LiveBuffer | undefined, state: AppState): void {
    this.renderMelAxis(state.station?.model);
    setHidden(this.empty, buffer !== undefined && buffer.revision > 0);
    setText(this.empty, stream === undefined ? 'No stream is selected.' : isOver(stream) ? 'No more sound comes from this stream.' : 'Waiting for sound from this stream…');
    if (buffer === undefined) return this.renderNothing();
    const marked = markedWindow(stream, buffer, this.colors);
    const key = `${String(buffer.revision)}/${String(buffer.epoch)}/${String(marked?.endSample)}/${marked?.color ?? ''}`;
    if (key === this.drawn && buffer === this.drawnBuffer) return;
    this.drawn = key;
    this.drawnBuffer = buffer;
    this.painter.paint(this.mel, buffer);
    this.renderLegend();
    this.renderWave(buffer, marked);
  }

  invalidate(): void {
    this.drawn = '';
  }

  private renderWave(buffer: LiveBuffer, marked: MarkedWindow | undefined): void {
    if (this.scaleOf !== buffer.format) this.scale = undefined;
    this.scaleOf = buffer.format;
    const colors = { ground: this.colors.get('--plot'), wave: this.colors.get('--wave'), axis: this.colors.get('--grid') };
    const scale = paintWaveform(this.wave, buffer, colors, marked, this.scale);
    if (scale !== this.scale) renderTicks(this.waveAxis, amplitudeTicks(scale), 'y');
    this.scale = scale;
  }

  private renderNothing(): void {
    if (this.drawnBuffer === undefined) return;
    this.drawnBuffer = undefined;
    this.wave.clear();
    this.mel.clear();
    setHidden(this.legend.box, true);
  }

  private renderLegend(): void {
    const { range } = this.painter;
    setHidden(this.legend.box, range === undefined);
    if (range === undefined) return;
    setText(this.legend.min, `${String(range.minDb).replace('-', '−')} dB`);
    setText(this.legend.max, `${String(range.maxDb).replace('-', '−')} dB`);
  }

  private renderMelAxis(axis: MelAxis | undefined): void {
    if (axis === undefined) return;
    const key = `${String(axis.nMels)}/${String(axis.fMinHz)}/${String(axis.fMaxHz)}`;
    if (key === this.axisKey) return;
    this.axisKey = key;
    renderTicks(this.melAxis, melTicks(axis, MEL_TICK_SPACING), 'y');
  }
}

/** The window of the current label at the buffer's rate; undefined while its sound isn't on screen. */
function markedWindow(stream: StreamView | undefined, buffer: LiveBuffer, colors: Colors): MarkedWindow | undefined {
  if (stream?.last === undefined) return undefined;
  const { window, label } = stream.last;
  const ratio = buffer.format.sampleRateHz / window.sampleRateHz;
  const [startSample, endSample] = [window.startSample * ratio, window.endSample * ratio];
  const oldest = buffer.endSample - LIVE_SECONDS * buffer.format.sampleRateHz;
  // A window from before a restart counts on another counter and would lie beyond the right edge.
  if (endSample < oldest || startSample > buffer.endSample) return undefined;
  return { startSample, endSample, color: colors.ofLabel(label) };
}

function timeTicks() {
  const ages = Array.from({ length: LIVE_SECONDS / 2 + 1 }, (_, i) => LIVE_SECONDS - 2 * i);
  return ages.map((age) => ({ label: age === 0 ? 'now' : `−${String(age)} s`, position: 1 - age / LIVE_SECONDS }));
}

function amplitudeTicks(scale: number) {
  return [
    { label: `+${String(scale)}`, position: 1 },
    { label: '0', position: 0.5 },
    { label: `−${String(scale)}`, position: 0 },
  ];
}

function paintColorScale(canvas: HTMLCanvasElement): void {
  const context = canvas.getContext('2d');
  if (context === null) return;
  const table = buildColorMap();
  const image = context.createImageData(canvas.width, 1);
  for (let x = 0; x < canvas.width; x += 1) {
    const level = Math.round((255 * x) / (canvas.width - 1));
    image.data.set(table.subarray(4 * level, 4 * level + 4), 4 * x);
  }
  context.putImageData(image, 0, 0);
}
