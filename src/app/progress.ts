/** Progress of long work on stderr: bars with ETA on a terminal, a line now and then elsewhere. */
import { SingleBar } from 'cli-progress';

/** Seconds between lines where there is no terminal. */
const LINE_EVERY_SECONDS = 30;

export class ProgressBars {
  private bar: SingleBar | null = null;
  private phase = '';
  private lastLineAt = -Infinity;
  private finished = false;
  private readonly terminal = process.stderr.isTTY === true;

  /** Moves the bar of `phase`, starting a new one when the phase changes. */
  show(phase: string, done: number, total: number, note = ''): void {
    if (!this.terminal) return this.showLine(phase, done, total, note);
    if (phase !== this.phase) {
      this.end();
      this.phase = phase;
      this.bar = new SingleBar({
        format: `${phase.padEnd(24)} {bar} {percentage} %  {value}/{total}  ETA {eta_formatted}  {note}`,
        stream: process.stderr,
        hideCursor: true,
        etaBuffer: 100,
      });
      this.bar.start(total, done, { note });
    }
    this.bar?.update(done, { note });
  }

  /** Prints a line above the bar. */
  line(text: string): void {
    if (this.bar) process.stderr.write('\r\x1b[K');
    process.stderr.write(`${text}\n`);
  }

  end(): void {
    this.bar?.stop();
    this.bar = null;
    this.phase = '';
  }

  private showLine(phase: string, done: number, total: number, note: string): void {
    const now = performance.now() / 1000;
    const changed = phase !== this.phase;
    this.phase = phase;
    if (changed) this.finished = false;
    if (this.finished || (!changed && done < total && now - this.lastLineAt < LINE_EVERY_SECONDS)) return;
    this.finished = done >= total;
    this.lastLineAt = now;
    process.stderr.write(`${phase}: ${done}/${total} (${Math.round((100 * done) / Math.max(1, total))} %) ${note}\n`);
  }
}
