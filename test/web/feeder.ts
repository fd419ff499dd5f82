/** A station for page tests: the real server; synthesised sound through the real features; probabilities given by the test. */
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { Subject } from 'rxjs';
import { Display } from '../../src/app/display.js';
import { Phonocardiogram } from '../../src/capture/synth/phonocardiogram.js';
import { resampleAll } from '../../src/condition/offline.js';
import { createLogger } from '../../src/common/log.js';
import { packageRoot } from '../../src/common/paths.js';
import { heartFeatures, melDecibels } from '../../src/features/index.js';
import { serverExamples } from '../../src/protocol/examples.js';
import type { ErrorMessage, Hello, Prediction, StationMessage, StreamDescription, StreamState } from '../../src/protocol/messages.js';
import { createStationServer, type StationServer } from '../../src/serve/index.js';

const { sampleRateHz, hopLength, nMels } = heartFeatures.mel;
const HOP_MS = (1000 * heartFeatures.windowHopFrames * hopLength) / sampleRateHz;
const LABELS = serverExamples.hello.model.labels;

/** Bundles web/ as the build does, into `folder`, so that the test sees the sources and not an older build. */
export async function bundleDashboard(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const web = join(packageRoot, 'web');
  await build({ entryPoints: [join(web, 'main.ts')], outfile: join(folder, 'main.js'), bundle: true, format: 'esm', target: 'es2022', logLevel: 'error' });
  cpSync(join(web, 'public'), folder, { recursive: true });
  return folder;
}

export class Feeder {
  private seq = 0;
  private samples = 0;
  private timeMs = Date.now();

  private constructor(
    private readonly server: StationServer,
    private readonly messages: Subject<StationMessage>,
    readonly url: string,
    readonly port: number,
  ) {}

  static async start(webRoot: string, port = 0, streamCount = 1): Promise<Feeder> {
    const streams = Array.from({ length: streamCount }, (_, i): StreamDescription => ({
      streamId: `s${String(i)}`,
      title: `Stream ${String(i + 1)}`,
      source: 'synth',
      live: true,
      state: 'live',
    }));
    const messages = new Subject<StationMessage>();
    const model = { ...serverExamples.hello.model, hopMs: HOP_MS };
    const hello = (): Hello => ({ ...serverExamples.hello, time: new Date().toISOString(), streams, model });
    const server = createStationServer({
      host: '127.0.0.1',
      port,
      hello,
      messages$: messages,
      health: () => ({ modelLoaded: true, streams }),
      logger: createLogger({ level: 'silent' }),
      webRoot,
    });
    const started = await server.start();
    return new Feeder(server, messages, started.url, started.port);
  }

  stop(): Promise<void> {
    return this.server.close();
  }

  /** Sends `seconds` of synthesised murmur: display data and a prediction per hop. */
  play(seconds: number, stream = 0): void {
    const synth = new Phonocardiogram({ seed: 7, murmur: { timing: 'holosystolic', pitchHz: 180, grade: 4 } });
    const source = synth.render(Math.round(seconds * synth.sampleRateHz));
    const pcm = resampleAll(source, synth.sampleRateHz, sampleRateHz);
    const melDb = melDecibels(pcm, heartFeatures);
    const display = new Display(sampleRateHz);
    const columns = heartFeatures.windowHopFrames;
    const hop = columns * hopLength;
    for (let start = 0; start + hop <= pcm.length; start += hop) {
      const samples = pcm.subarray(start, start + hop);
      const startSample = this.samples;
      display.listen({ kind: 'chunk', streamId: 's', samples, sampleRateHz, startSample, capturedAtMs: 0, clippedSamples: 0, nonFiniteSamples: 0 });
      const first = (start / hopLength) * nMels;
      const block = { kind: 'frames', streamId: `s${String(stream)}`, startSample, melDb: melDb.subarray(first, first + columns * nMels), columns, nMels } as const;
      this.messages.next(display.message(block));
      this.samples += hop;
      this.predict({}, stream);
    }
  }

  /** Sends the next prediction: a murmur at 83 % unless told otherwise. */
  predict(change: Partial<Prediction>, stream = 0): void {
    this.seq += 1;
    this.timeMs += HOP_MS;
    const label = change.label ?? 'murmur';
    const probabilities = Object.fromEntries(LABELS.map((name) => [name, name === (change.rawLabel ?? label) ? 0.7 : 0.1]));
    const endSample = Math.max(this.samples, 6016);
    this.messages.next({
      ...serverExamples.prediction,
      streamId: `s${String(stream)}`,
      seq: this.seq,
      window: {
        startSample: endSample - 6016,
        endSample,
        sampleRateHz,
        startTime: new Date(this.timeMs - 3008).toISOString(),
        endTime: new Date(this.timeMs).toISOString(),
      },
      label,
      rawLabel: label,
      confidence: 0.83,
      probabilities,
      ...change,
    });
  }

  status(state: StreamState, detail: string): void {
    this.messages.next({ type: 'status', streamId: 's0', state, detail, attempt: 0, time: new Date().toISOString() });
  }

  error(change: Partial<ErrorMessage>): void {
    this.messages.next({ ...serverExamples.error, ...change, time: new Date().toISOString() });
  }

  /** Valid by the schema, but with a byte too few. */
  brokenFrames(): void {
    const melDb = Buffer.alloc(nMels - 1).toString('base64');
    this.messages.next({ ...serverExamples.frames, streamId: 's0', startSample: this.samples, columns: 1, nMels, melDb });
  }
}
