/**
 * A running station: sources, one pipeline each, one shared inference service, and what they publish. It knows nothing
 * of HTTP: the server subscribes to `messages$`.
 */
import { catchError, defer, EMPTY, finalize, merge, type Observable, ReplaySubject, Subject, Subscription, tap } from 'rxjs';
import { restarting, type SourceStatus } from '../capture/restarting.js';
import { createSource } from '../capture/source-spec.js';
import type { AudioSource } from '../capture/types.js';
import { utcNow } from '../common/clock.js';
import { DISCLAIMER } from '../common/disclaimer.js';
import type { Logger } from '../common/log.js';
import { StageError, toStageError } from '../common/stage-error.js';
import { VERSION } from '../common/version.js';
import type { InferenceService } from '../inference/service.js';
import type { ModelPackage } from '../inference/model-package.js';
import { UNKNOWN } from '../labels/label-stream.js';
import { type ErrorMessage, type Hello, PROTOCOL_VERSION, type StationMessage, type StreamState } from '../protocol/messages.js';
import { labelOptionsOf, modelDescription } from './model-facts.js';
import { pipeline } from './pipeline.js';
import type { StationConfig } from './settings.js';

export interface Station {
  /** Hot: everything the station publishes from `start` on. */
  readonly messages$: Observable<StationMessage>;
  /** Emits once when every source has ended or failed for good. */
  readonly ended$: Observable<void>;
  hello(): Hello;
  health(): { modelLoaded: boolean; streams: { streamId: string; state: StreamState }[] };
  start(): void;
  /** Stops all sources; the inference service stays the caller's. */
  stop(): void;
}

export interface StationParts {
  config: StationConfig;
  model: ModelPackage;
  service: InferenceService;
  logger: Logger;
}

/** Makes a station. Throws on source specifications that are wrong; a source that can't be opened fails later, visibly, alone. */
export function createStation(parts: StationParts): Station {
  return new RunningStation(parts);
}

interface Stream {
  source: AudioSource;
  state: StreamState;
}

class RunningStation implements Station {
  private readonly published = new Subject<StationMessage>();
  /** Remembers, since sources that cannot be opened may end the station while it is being started. */
  private readonly end = new ReplaySubject<void>(1);
  private readonly streams: Stream[];
  private readonly running = new Subscription();
  readonly messages$ = this.published.asObservable();
  readonly ended$ = this.end.asObservable();

  constructor(private readonly parts: StationParts) {
    this.streams = openable(parts).map((source) => ({ source, state: 'starting' as const }));
  }

  hello(): Hello {
    const { model, service } = this.parts;
    return {
      type: 'hello',
      server: { name: 'stethostream', version: VERSION },
      protocol: PROTOCOL_VERSION,
      time: new Date(utcNow()).toISOString(),
      disclaimer: DISCLAIMER,
      streams: this.streams.map(({ source, state }) => ({
        streamId: source.streamId, title: source.title, source: source.spec, live: source.live, state,
      })),
      model: modelDescription(model.manifest),
      engine: { ...service.info },
      labels: [...model.manifest.labels, UNKNOWN],
    };
  }

  health() {
    return { modelLoaded: true, streams: this.streams.map(({ source, state }) => ({ streamId: source.streamId, state })) };
  }

  start(): void {
    const all$ = merge(...this.streams.map((stream) => this.run(stream)));
    this.running.add(this.parts.service.events$.subscribe((event) => event.kind !== 'ready' && this.published.next(errorMessage(event.error))));
    this.running.add(all$.pipe(finalize(() => this.end.next())).subscribe((message) => this.published.next(message)));
  }

  stop(): void {
    this.running.unsubscribe();
    this.published.complete();
  }

  /** Messages of one stream; never errors: what goes wrong in one stream is told and stays there. */
  private run(stream: Stream): Observable<StationMessage> {
    const { config, model, service } = this.parts;
    const { source } = stream;
    let ended: SourceStatus | undefined;
    const kept = restarting(source, {
      stallMs: config.capture.stallMs,
      onState: (status) => {
        // The source ends before its last windows are labelled: a stream has ended when nothing more will come of it.
        if (status.state === 'ended') ended = status;
        else this.changeState(stream, status);
      },
    });
    return pipeline(kept.open(), {
      features: model.manifest.features,
      channel: config.capture.channel,
      labels: labelOptionsOf(model.manifest, config.labels),
      // A source that can be held back loses nothing; a live one drops its oldest windows when the engine lags.
      infer: (windows$) => service.infer(windows$, { lossless: !source.live }),
      display: true,
    }).pipe(
      tap({ complete: () => ended && this.changeState(stream, ended) }),
      catchError((error: unknown) => this.failed(stream, error)),
    );
  }

  private changeState(stream: Stream, { state, detail, attempt, error }: SourceStatus): void {
    stream.state = state;
    const { streamId } = stream.source;
    const cause = error ? { code: error.code, remedy: error.remedy } : {};
    this.parts.logger[state === 'failed' ? 'error' : 'info']({ streamId, state, attempt, ...cause }, detail || `stream ${state}`);
    if (error) this.published.next(errorMessage(error, streamId));
    // A subscriber that comes later gets the status, not the error: nothing will happen until somebody does what helps.
    const told = state === 'failed' && error?.remedy ? `${detail}. ${error.remedy}` : detail;
    this.published.next({ type: 'status', streamId, state, detail: told, attempt, time: new Date(utcNow()).toISOString() });
  }

  /** Errors that pass `restarting` are final for the stream: it has failed, the others go on. */
  private failed(stream: Stream, thrown: unknown): Observable<never> {
    return defer(() => {
      const error = toStageError(thrown, { code: 'APP_STREAM_FAILED', stage: 'app', streamId: stream.source.streamId });
      if (stream.state !== 'failed') this.changeState(stream, { state: 'failed', detail: error.message, attempt: 0, error });
      return EMPTY;
    });
  }
}

function openable({ config, service, logger }: StationParts): AudioSource[] {
  const taken = new Set<string>();
  return config.sources.map((spec) => {
    const options = {
      // A file's or synthesiser's own ?speed= wins.
      defaultSpeed: config.capture.speed === 'max' ? Infinity : config.capture.speed,
      ready: () => service.ready(),
      onWarning: (warning: string) => logger.warn({ source: spec }, warning),
      onDebug: (line: string) => logger.debug({ source: spec }, line),
    };
    const first = createSource(spec, options);
    const streamId = unique(first.streamId, taken);
    return streamId === first.streamId ? first : createSource(spec, { ...options, streamId });
  });
}

/** `synth`, `synth-2`, `synth-3`… */
function unique(wanted: string, taken: Set<string>): string {
  let id = wanted;
  for (let n = 2; taken.has(id); n++) id = `${wanted.slice(0, 60)}-${n}`;
  taken.add(id);
  return id;
}

/** Without a streamId it concerns the whole station. */
function errorMessage(error: StageError, streamId?: string): ErrorMessage {
  const { code, stage, message, remedy, retryable } = error;
  return { type: 'error', code, stage, ...(streamId === undefined ? {} : { streamId }), message, remedy, retryable, time: new Date(utcNow()).toISOString() };
}
