/** The client in a real browser, on a page the station serves, under its Content-Security-Policy. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/common/paths.js';
import { prediction, startStation, stopAll } from '../serve/harness.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));

const PROGRAM = `
  import { connect } from ${JSON.stringify(join(packageRoot, 'src', 'client', 'index.ts'))};
  window.seen = [];
  const station = connect(new URL('/v1/stream', location.href), { kinds: ['prediction'], initialDelayMs: 50 });
  station.state$.subscribe((state) => window.seen.push(state.state));
  station.messages$.subscribe((message) => window.seen.push(message.type));
`;

describe.skipIf(CHROMIUM === undefined)('client in Chromium (skipped where Debian\'s package chromium is missing)', () => {
  let browser: Browser;
  let webRoot: string;
  let elsewhere: Server;
  beforeAll(async () => {
    webRoot = mkdtempSync(join(tmpdir(), 'stethostream-client-'));
    await build({ stdin: { contents: PROGRAM, resolveDir: packageRoot }, bundle: true, format: 'esm', outfile: join(webRoot, 'main.js'), logLevel: 'error' });
    writeFileSync(join(webRoot, 'index.html'), '<!doctype html><title>test</title><script type="module" src="/main.js"></script>');
    elsewhere = createServer((_request, response) => response.setHeader('Content-Type', 'text/html').end('<title>elsewhere</title>')).listen(0, '127.0.0.1');
    browser = await chromium.launch({
      executablePath: CHROMIUM as string,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
  });
  afterAll(async () => {
    await browser.close();
    elsewhere.close();
    rmSync(webRoot, { recursive: true });
  });
  afterEach(stopAll);

  it('receives messages on the station\'s own page and comes back after a restart', async () => {
    const station = await startStation({ webRoot });
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(station.url);
    const seen = (what: string, times: number) =>
      page.waitForFunction(([word, count]) => (window as unknown as { seen: string[] }).seen.filter((one) => one === word).length >= count, [what, times] as const);
    await seen('hello', 1);
    station.publish.next(prediction(1));
    await seen('prediction', 1);
    await station.server.close();
    await seen('waiting', 1);
    await startStation({ webRoot, port: station.port });
    await seen('hello', 2);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('is refused on a page of another origin', async () => {
    const station = await startStation();
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(elsewhere.address() as { port: number }).port}`);
    const outcome = await page.evaluate(
      (url) =>
        new Promise((resolve) => {
          const socket = new WebSocket(url, 'stethostream.v1');
          socket.onopen = () => resolve('open');
          socket.onclose = () => resolve('refused');
        }),
      station.stream,
    );
    expect(outcome).toBe('refused');
    expect(station.log.join('')).toContain('SERVE_ORIGIN_REFUSED');
    await page.close();
  });
});
