/** The log of a training run: lines on a console and in a file, and progress.json for whoever watches. */
import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where a run stands. */
export interface TrainingProgress {
  /** e.g. `audio`, `pretrain`, `fold 2 of 4`, `export`. */
  phase: string;
  /** Items done and to do in this phase (clips, or windows trained on). */
  done: number;
  total: number;
  unit: 'clips' | 'windows' | 'steps';
  /** Items per second in this process, and seconds to the end of the phase at the pace of its work (as much per item, unless the phase says otherwise). */
  perSecond: number;
  etaSeconds: number;
  /** Running mean of the loss, where there is one. */
  loss?: number;
  /** Of the latest step, where there is one. */
  learningRate?: number;
  updatedAt: string;
}

/** The course of a phase that an earlier process trained, wholly or in part. */
export interface RecalledPhase {
  phase: string;
  total: number;
  unit: TrainingProgress['unit'];
  points: { done: number; loss: number; learningRate: number }[];
}

export interface RunLogOptions {
  /** Run folder; it is made. Holds log.txt and progress.json. */
  folder: string;
  /** Called with each log line. */
  onLine?: (line: string) => void;
  /** Called with each progress report (at most about two a second). */
  onProgress?: (progress: TrainingProgress) => void;
  /** Called with what a run that goes on has behind it. */
  onRecall?: (phase: RecalledPhase) => void;
}

/** What a recipe tells whoever runs it. */
export type RunHooks = Omit<RunLogOptions, 'folder'>;

/** One phase's clock. */
export interface PhaseProgress {
  update(done: number, loss?: number, learningRate?: number): void;
}

/** Cost of the first so many items (or steps), in any unit. */
export type WorkOf = (items: number) => number;

/** Seconds to `total` at the pace of the work from `from` to `done`, which took `seconds`; 0 where none was done. Default: each item costs as much. */
export function secondsLeft({ from, done, total }: { from: number; done: number; total: number }, seconds: number, workOf: WorkOf = (items) => items): number {
  const work = workOf(done) - workOf(from);
  return work > 0 ? ((workOf(total) - workOf(done)) / work) * seconds : 0;
}

export class RunLog {
  private lastWrite = -Infinity;

  constructor(private readonly options: RunLogOptions) {
    mkdirSync(options.folder, { recursive: true });
  }

  line(text: string): void {
    const stamped = `${new Date().toISOString()} ${text}`;
    appendFileSync(join(this.options.folder, 'log.txt'), `${stamped}\n`);
    this.options.onLine?.(text);
  }

  /** Starts a phase; `from` items were done by an earlier process; `workOf` where they do not all cost as much. */
  phase(phase: string, total: number, unit: TrainingProgress['unit'], { from = 0, workOf }: { from?: number; workOf?: WorkOf } = {}): PhaseProgress {
    const startedAt = performance.now();
    return {
      update: (done, loss, learningRate) => {
        const seconds = (performance.now() - startedAt) / 1000;
        const perSecond = (done - from) / Math.max(1e-3, seconds);
        this.report({
          phase,
          done,
          total,
          unit,
          perSecond,
          etaSeconds: secondsLeft({ from, done, total }, seconds, workOf),
          ...(loss === undefined ? {} : { loss }),
          ...(learningRate === undefined ? {} : { learningRate }),
          updatedAt: new Date().toISOString(),
        });
      },
    };
  }

  recall(phase: RecalledPhase): void {
    if (phase.points.length > 0) this.options.onRecall?.(phase);
  }

  private report(progress: TrainingProgress): void {
    const now = performance.now();
    if (progress.done < progress.total && now - this.lastWrite < 500) return;
    this.lastWrite = now;
    writeAtomically(join(this.options.folder, 'progress.json'), JSON.stringify(progress));
    this.options.onProgress?.(progress);
  }
}

/** Writes beside and renames, so that a reader (or a kill) never meets half a file. */
export function writeAtomically(path: string, content: string | Uint8Array): void {
  writeFileSync(`${path}.part`, content);
  renameSync(`${path}.part`, path);
}
