/** `stethostream record`: a source to a WAV file that stays readable even if the recording is cut off. */
import { existsSync } from 'node:fs';
import type { CaptureItem } from '../../capture/types.js';
import { finalize, fromEvent, merge, take, takeUntil, takeWhile, tap } from 'rxjs';
import { createSource } from '../../capture/source-spec.js';
import { recordToWav, type WavSampleFormat } from '../../capture/wav-writer.js';
import { StageError } from '../../common/stage-error.js';

export async function record(output: string, flags: Record<string, unknown>): Promise<void> {
  const seconds = secondsOf(flags['seconds']);
  const format = formatOf(flags['format']);
  if (existsSync(output) && flags['force'] !== true) {
    throw usage(`${output} exists`, 'Name another file, or overwrite it with --force.');
  }
  const json = flags['json'] === true;
  const source = createSource(String(flags['source']), { onWarning: (warning) => process.stderr.write(`${warning}\n`) });
  const stop = merge(fromEvent(process, 'SIGINT'), fromEvent(process, 'SIGTERM'));
  const meter = new Meter(source.title, seconds);
  const items = source.open().pipe(takeUntil(stop.pipe(take(1))), tap((item) => meter.hear(item)), takeWhile(() => seconds === null || meter.seconds < seconds, true), finalize(() => meter.end()));
  const result = await recordToWav(items, output, format);
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else {
    const lost = result.lostSeconds > 0 ? `, ${result.lostSeconds.toFixed(2)} s lost and written as silence` : '';
    process.stdout.write(`${result.path}: ${result.seconds.toFixed(2)} s${lost}\n`);
  }
}

/** Time and level on a terminal, so that one sees that something is heard. */
class Meter {
  private readonly shown = process.stderr.isTTY === true;
  private shownAtMs = 0;
  /** Of sound, lost sound included. */
  seconds = 0;
  private peak = 0;

  constructor(
    private readonly title: string,
    private readonly limit: number | null,
  ) {}

  hear(item: CaptureItem): void {
    this.seconds += (item.kind === 'chunk' ? item.samples.length / item.channels : item.lengthSamples) / item.sampleRateHz;
    if (!this.shown) return;
    if (item.kind === 'chunk') for (const sample of item.samples) this.peak = Math.max(this.peak, Math.abs(sample));
    if (performance.now() - this.shownAtMs < 200) return;
    this.shownAtMs = performance.now();
    const bars = Math.max(0, Math.min(20, Math.round(20 + 20 * Math.log10(Math.max(this.peak, 1e-6)) / 3)));
    const of = this.limit === null ? '' : ` of ${this.limit}`;
    process.stderr.write(`\r${this.title}  ${this.seconds.toFixed(1)}${of} s  [${'#'.repeat(bars).padEnd(20)}]${this.limit === null ? '  Ctrl-C ends' : ''} `);
    this.peak = 0;
  }

  end(): void {
    if (this.shown) process.stderr.write('\n');
  }
}

function secondsOf(value: unknown): number | null {
  if (value === undefined) return null;
  const seconds = Number(value);
  if (seconds > 0 && Number.isFinite(seconds)) return seconds;
  throw usage(`--seconds is ${String(value)}, it must be a positive number`, 'For example --seconds 30.');
}

function formatOf(value: unknown): WavSampleFormat {
  if (value === 'int16' || value === 'float32') return value;
  throw usage(`--format is ${String(value)}`, 'Use int16 or float32.');
}

function usage(message: string, remedy: string): StageError {
  return new StageError({ code: 'APP_USAGE', stage: 'app', message, remedy });
}
