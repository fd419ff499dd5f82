/** A whole station inside the test's process: the real sources, pipeline, engine worker and server on a free port. */
import { createLogger } from '../../src/common/log.js';
import { loadConfig } from '../../src/app/config.js';
import { startInference } from '../../src/app/inference.js';
import type { StationConfig } from '../../src/app/settings.js';
import { createStation, type Station } from '../../src/app/station.js';
import type { ModelPackage } from '../../src/inference/model-package.js';
import type { InferenceService } from '../../src/inference/service.js';
import { createStationServer, type StationServerOptions } from '../../src/serve/index.js';

export interface LiveStation {
  station: Station;
  model: ModelPackage;
  service: InferenceService;
  config: StationConfig;
  url: string;
  port: number;
  stream: string;
  /** Log lines as objects. */
  log: Record<string, unknown>[];
  close(): Promise<void>;
}

/**
 * Puts the station together as `serve` does, but does not start its sources yet: subscribers shall miss nothing. A long
 * queue before the engine, since sound at many times its pace on a busy machine comes in bursts.
 */
export async function liveStation(flags: Record<string, unknown>, server: Partial<StationServerOptions> = {}): Promise<LiveStation> {
  const { config } = loadConfig({ flags: { engine: 'onnx', threads: 1, port: 0, maxQueue: 64, ...flags } });
  const log: Record<string, unknown>[] = [];
  const logger = createLogger({ level: 'debug', destination: { write: (line) => log.push(JSON.parse(line) as Record<string, unknown>) } });
  const { model, service } = await startInference(config, logger);
  try {
    const station = createStation({ config, model, service, logger });
    const stationServer = createStationServer({
      host: config.server.host,
      port: config.server.port,
      hello: () => station.hello(),
      health: () => station.health(),
      messages$: station.messages$,
      logger,
      ...server,
    });
    const { url, port } = await stationServer.start();
    const close = async () => {
      station.stop();
      await stationServer.close();
      await service.close();
    };
    return { station, model, service, config, url, port, stream: `ws://127.0.0.1:${port}/v1/stream`, log, close };
  } catch (error) {
    await service.close();
    throw error;
  }
}
