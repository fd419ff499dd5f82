/** The station's page in Debian's Chromium, on the real `serve`: what a person sees. (test/web tests the page itself in depth.) */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DISCLAIMER } from '../../src/common/disclaimer.js';
import { packageRoot } from '../../src/common/paths.js';
import { endCommands, startServe, type RunningServe } from '../support/command.js';
import { writeHeartPackage } from '../support/heart-package.js';

const CHROMIUM = '/usr/bin/chromium';
const missing = !existsSync(CHROMIUM)
  ? `: skipped, needs ${CHROMIUM} (apt-get install chromium)`
  : !existsSync(join(packageRoot, 'dist', 'web', 'main.js'))
    ? ': skipped, the page is not built (npm run build)'
    : '';

describe.skipIf(missing !== '')(`the page of a running station${missing}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'stethostream-page-'));
  const args = ['--model', join(folder, 'model'), '--source', 'synth:murmur?speed=2'];
  let browser: Browser;
  let page: Page;
  let serve: RunningServe;
  const complaints: string[] = [];

  beforeAll(async () => {
    await writeHeartPackage(join(folder, 'model'));
    const flags = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
    [browser, serve] = await Promise.all([chromium.launch({ executablePath: CHROMIUM, args: flags }), startServe(args)]);
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(serve.line.url);
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await endCommands();
    rmSync(folder, { recursive: true, force: true });
  });

  const text = (selector: string) => page.locator(selector).textContent();

  it('shows the model, the engine, a label with confidence and quality, and the disclaimer', async () => {
    await expect.poll(() => text('#connection-text'), { timeout: 10_000 }).toBe('Connected');
    await expect.poll(() => text('#now-label'), { timeout: 15_000 }).toMatch(/^(Normal|Murmur|Extrasystole|Artifact|Unknown)$/);
    expect(await text('#fact-model')).toBe('test-heart 0.0.1');
    expect(await text('#fact-engine')).toMatch(/onnx/i);
    expect(await text('#confidence-text')).toMatch(/^\d+ %$/);
    expect(await text('#quality-text')).toMatch(/^\d+ %$/);
    expect(await text('#latency-text')).toMatch(/^\d+ ms$/);
    expect(await text('#disclaimer')).toBe(DISCLAIMER);
    expect(await page.locator('#disclaimer').isVisible()).toBe(true);
    expect(await page.locator('#stream-list li').count()).toBe(1);
    expect(complaints).toEqual([]);
  });

  it('draws the spectrogram of what is heard: loud and soft, low and high', async () => {
    await expect.poll(async () => (await columnsOfSpectrogram()).filled, { timeout: 10_000 }).toBeGreaterThan(0.3);
    const { colors, bright, dark } = await columnsOfSpectrogram();
    expect(colors).toBeGreaterThan(50);
    // A heart: some moments are much brighter than others.
    expect(bright - dark).toBeGreaterThan(10);
  });

  it('says that the station is gone and comes back to it on the same port', async () => {
    const { port } = serve;
    serve.child.kill('SIGTERM');
    await serve.result;
    await page.getByText('Connection lost,').waitFor({ timeout: 10_000 });
    serve = await startServe([...args, '--port', String(port)]);
    expect(serve.port).toBe(port);
    await expect.poll(() => text('#connection-text'), { timeout: 20_000 }).toBe('Connected');
    expect(await page.locator('#banner').isVisible()).toBe(false);
    const shown = new Set<string | null>();
    // New labels come: the latency is that of this moment's window.
    await expect.poll(async () => shown.add(await text('#latency-text')).size, { timeout: 15_000 }).toBeGreaterThan(1);
    expect(complaints).toEqual([]);
  }, 60_000);

  /** Share of filled columns, number of colours, and mean brightness of the brightest and the darkest filled column. */
  function columnsOfSpectrogram(): Promise<{ filled: number; colors: number; bright: number; dark: number }> {
    return page.locator('#spectrogram').evaluate((element) => {
      const canvas = element as HTMLCanvasElement;
      // Read from a copy: reading the page's own canvas again and again makes the browser complain of the reader.
      const copy = Object.assign(document.createElement('canvas'), { width: canvas.width, height: canvas.height }).getContext('2d', { willReadFrequently: true })!;
      copy.drawImage(canvas, 0, 0);
      const { data, width, height } = copy.getImageData(0, 0, canvas.width, canvas.height);
      const means: number[] = [];
      for (let x = 0; x < width; x += 1) {
        let sum = 0;
        let opaque = 0;
        for (let y = 0; y < height; y += 1) {
          const at = 4 * (y * width + x);
          if (data[at + 3]! > 0) opaque += 1;
          sum += data[at]! + data[at + 1]! + data[at + 2]!;
        }
        if (opaque > height / 2) means.push(sum / height / 3);
      }
      return { filled: means.length / width, colors: new Set(new Uint32Array(data.buffer)).size, bright: Math.max(...means), dark: Math.min(...means) };
    });
  }
});
