/** `stethostream serve`: a station with its server, until it is told to stop. */
import { once } from 'node:events';
import { firstValueFrom } from 'rxjs';
import { parseSourceSpec } from '../../capture/source-spec.js';
import { createLogger, type Logger } from '../../common/log.js';
import { createStationServer } from '../../serve/index.js';
import { loadConfig } from '../config.js';
import { startInference } from '../inference.js';
import { EXIT } from '../output.js';
import type { StationConfig } from '../settings.js';
import { createStation, type Station } from '../station.js';

export async function serve(flags: Record<string, unknown>): Promise<void> {
  const { config } = loadConfig({ file: flags['config'] as string | undefined, environment: process.env, flags });
  const logger = createLogger({ level: config.log.level });
  // A wrong source is told at once, not after the model has been loaded.
  for (const spec of config.sources) parseSourceSpec(spec);
  const { model, service } = await startInference(config, logger);
  try {
    const station = createStation({ config, model, service, logger });
    await serveUntilStopped(station, config, logger, flags);
  } finally {
    // Whatever failed: the engine's worker would keep the process alive.
    await service.close();
  }
}

async function serveUntilStopped(station: Station, config: StationConfig, logger: Logger, { json, once: finite }: Record<string, unknown>): Promise<void> {
  const { tokens, ...address } = config.server;
  const server = createStationServer({
    ...address,
    ...(tokens.length > 0 ? { tokens } : {}),
    hello: () => station.hello(),
    health: () => station.health(),
    messages$: station.messages$,
    logger,
  });
  try {
    const { url } = await server.start();
    station.start();
    announce(url, station.hello(), json === true);
    await (finite === true ? Promise.race([stopSignal(), firstValueFrom(station.ended$)]) : stopSignal());
    if (finite === true && station.health().streams.some(({ state }) => state === 'failed')) process.exitCode = EXIT.failed;
  } finally {
    station.stop();
    await server.close();
  }
}

function announce(url: string, hello: ReturnType<Station['hello']>, json: boolean): void {
  const { model, engine, streams, disclaimer } = hello;
  if (json) {
    process.stdout.write(`${JSON.stringify({ url, model: { name: model.name, version: model.version }, engine, streams })}\n`);
    return;
  }
  const listening = streams.map((stream) => `  ${stream.streamId}: ${stream.title}`).join('\n');
  process.stdout.write(
    `StethoStream is listening to\n${listening}\nwith ${model.name} ${model.version} on ${engine.engine} (${engine.device}).\n\n` +
      `  Dashboard  ${url}/\n  WebSocket  ${url.replace(/^http/, 'ws')}/v1/stream\n\n${disclaimer} Stop with Ctrl-C.\n`,
  );
}

/** Resolves at the first Ctrl-C or SIGTERM; a second one ends the process at once, as Node does by default. */
async function stopSignal(): Promise<void> {
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  process.stderr.write('stethostream: stopping\n');
}
