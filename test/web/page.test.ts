/**
 * The page in a real browser, served by the real server, fed with sound of the real synthesiser through the real
 * features and display code. Only the probabilities are set by the test: it is about the page, and the end-to-end
 * suite runs the model.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page, type WebSocket } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DISCLAIMER } from '../../src/common/disclaimer.js';
import { packageRoot } from '../../src/common/paths.js';
import type { ServerMessage } from '../../src/protocol/messages.js';
import { bundleDashboard, Feeder } from './feeder.js';

const CHROMIUM = '/usr/bin/chromium';
const missing = existsSync(CHROMIUM) ? '' : `: skipped, needs ${CHROMIUM} (apt-get install chromium)`;

describe.skipIf(missing !== '')(`dashboard page in Chromium${missing}`, () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let feeder: Feeder;
  let complaints: string[];
  let webRoot: string;

  beforeAll(async () => {
    webRoot = await bundleDashboard(join(packageRoot, 'test-output', 'web'));
    const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
    browser = await chromium.launch({ executablePath: CHROMIUM, args });
  }, 120_000);
  afterAll(() => browser?.close());

  async function open(
    options: Parameters<Browser['newContext']>[0] = {},
    hash = '',
    onSocket: (socket: WebSocket) => void = () => undefined,
  ): Promise<void> {
    complaints = [];
    context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('websocket', onSocket);
    await page.goto(feeder.url + hash);
  }

  afterEach(async () => {
    await context?.close();
    await feeder?.stop();
  });

  it('shows label, scores, sound and disclaimer, without a complaint of the browser', async () => {
    feeder = await Feeder.start(webRoot);
    await open();
    await connected();
    await soundIsDrawn();
    await expectText('#now-label', 'Murmur');
    await expectText('#confidence-text', '83 %');
    await expectText('#disclaimer', DISCLAIMER);
    expect(await page.locator('#disclaimer').isVisible()).toBe(true);
    await expectText('#fact-model', 'resnet34-heart 1.0.0');
    expect(await page.locator('#now-shape').getAttribute('data-label')).toBe('murmur');
    expect(await page.locator('#probabilities li').count()).toBe(4);
    expect(await colorsOf('#waveform')).toBeGreaterThan(2);
    await expect.poll(() => colorsOf('#history')).toBeGreaterThan(2);
    await expectText('#live', /murmur, 83 %/i);
    expect(complaints).toEqual([]);
  });

  it('keeps the disclaimer in sight without JavaScript, and on a small screen after scrolling', async () => {
    feeder = await Feeder.start(webRoot);
    await open({ javaScriptEnabled: false });
    expect(await page.getByText(DISCLAIMER).isVisible()).toBe(true);
    await context.close();
    await open({ viewport: { width: 360, height: 640 } });
    await connected();
    feeder.play(2);
    await page.mouse.wheel(0, 5000);
    await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(300);
    const box = await page.locator('#disclaimer').boundingBox();
    expect(box!.y).toBeGreaterThanOrEqual(0);
    expect(box!.y).toBeLessThan(100);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  });

  it('says why a label is unknown, and marks an experimental one', async () => {
    feeder = await Feeder.start(webRoot);
    await open();
    await connected();
    feeder.predict({ label: 'unknown', rawLabel: 'normal', confidence: 0.38, quality: { score: 0.3, reasons: ['low-level', 'low-confidence'] } });
    await expectText('#now-label', 'Unknown');
    await expectText('#now-note', /signal too quiet, model is not sure.*Most likely this window: normal/);
    expect(await page.locator('#reasons li').allTextContents()).toEqual(['signal too quiet', 'model is not sure']);
    expect(await page.locator('#now-experimental').isVisible()).toBe(false);
    feeder.predict({ label: 'extrasystole' });
    await expectText('#now-label', 'Extrasystole');
    expect(await page.locator('#now-experimental').isVisible()).toBe(true);
  });

  it('reconnects by itself after the server restarted, and keeps what it showed until then', async () => {
    feeder = await Feeder.start(webRoot);
    await open();
    await connected();
    await soundIsDrawn();
    feeder.play(8);
    await expect.poll(() => coverageOf('#spectrogram')).toBeGreaterThan(0.6);
    await feeder.stop();
    await page.getByText('Connection lost,').waitFor();
    await expectText('#banner-detail', /trying again in \d+ s|trying now/);
    await expectText('#now-label', 'Murmur');
    expect(await coverageOf('#spectrogram')).toBeGreaterThan(0.6);
    expect(await page.locator('#layout').getAttribute('data-stale')).toBe('true');
    feeder = await Feeder.start(webRoot, feeder.port);
    await connected();
    expect(await page.locator('#banner').isVisible()).toBe(false);
    const before = await page.locator('#latency-text').textContent();
    feeder.predict({ label: 'normal', latencyMs: 77 });
    await expectText('#now-label', 'Normal');
    expect(before).not.toBe('77 ms');
    await expectText('#latency-text', '77 ms');
    // The new station counts its samples from 0: the old sound goes, the new one is drawn.
    await expect.poll(playedCoverage, { timeout: 8000, interval: 150 }).toBeLessThan(0.5);
    expect(await colorsOf('#spectrogram')).toBeGreaterThan(50);
  });

  it('pauses and resumes the display', async () => {
    feeder = await Feeder.start(webRoot);
    await open();
    await connected();
    feeder.play(3);
    await expectText('#now-label', 'Murmur');
    await page.getByRole('button', { name: 'Pause' }).click();
    feeder.predict({ label: 'artifact' });
    feeder.status('stalled', 'No samples for 3 s.');
    await expectText('#log-count', /2 events/);
    await expectText('#now-label', 'Murmur');
    await page.getByRole('button', { name: 'Resume' }).click();
    await expectText('#now-label', 'Artifact');
    await expectText('#now-notice', /Stalled: No samples for 3 s\./);
  });

  it('holds 32 streams, takes the one in the address, and remembers the choice', async () => {
    feeder = await Feeder.start(webRoot, 0, 32);
    await open({}, '#stream=s27');
    await connected();
    await expectText('#now-title', 'Stream 28');
    expect(await page.locator('#stream-list li').count()).toBe(32);
    const box = await page.locator('#stream-list [aria-current]').boundingBox();
    expect(box!.y + box!.height).toBeLessThanOrEqual(900);
    // A burst: all streams, far more than a screen can show.
    for (let round = 0; round < 40; round += 1) for (let i = 0; i < 32; i += 1) feeder.predict({}, i);
    await page.getByRole('button', { name: /Stream 3 / }).click();
    await expectText('#now-title', 'Stream 3');
    expect(new URL(page.url()).hash).toBe('#stream=s2');
    await soundIsDrawn(2);
    await page.goto(feeder.url);
    await expectText('#now-title', 'Stream 3');
    expect(complaints).toEqual([]);
  });

  it('receives display data of the selected stream only', async () => {
    feeder = await Feeder.start(webRoot, 0, 4);
    const received: string[] = [];
    await open({}, '#stream=s1', (socket) => socket.on('framereceived', ({ payload }) => received.push(String(payload))));
    await connected();
    for (let stream = 0; stream < 4; stream += 1) await soundIsSent(stream, stream === 1);
    const messages = received.map((text) => JSON.parse(text) as ServerMessage);
    const streams = (type: string) => new Set(messages.flatMap((message) => (message.type === type && 'streamId' in message ? [message.streamId] : [])));
    expect([...streams('frames')]).toEqual(['s1']);
    expect([...streams('prediction')].sort()).toEqual(['s0', 's1', 's2', 's3']);
  });

  it('steps instead of scrolling where the reader asked for less motion', async () => {
    feeder = await Feeder.start(webRoot);
    await open({ reducedMotion: 'reduce' });
    await connected();
    await soundIsDrawn();
    const shots = new Set<string>();
    const startedAtMs = performance.now();
    while (performance.now() - startedAtMs < 1500) {
      feeder.play(0.3);
      shots.add(await page.locator('#spectrogram').evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL()));
    }
    const seconds = (performance.now() - startedAtMs) / 1000;
    expect(shots.size).toBeGreaterThan(1);
    expect(shots.size).toBeLessThanOrEqual(2 + seconds);
  });

  it('never takes text for HTML, and lists errors with code and remedy', async () => {
    feeder = await Feeder.start(webRoot);
    await open();
    await connected();
    const evil = '<img src=x onerror="document.title=\'owned\'">';
    feeder.error({ code: 'CAPTURE_DEVICE_LOST', message: evil, remedy: `${evil} remedy` });
    feeder.status('recovering', evil);
    await page.locator('#log summary').click();
    await page.getByText('CAPTURE_DEVICE_LOST').waitFor();
    expect(await page.locator('#log-list .remedy').textContent()).toBe(`${evil} remedy`);
    expect(await page.locator('main img').count()).toBe(0);
    expect(await page.title()).toBe('StethoStream');
  });

  it('tells a block of the history by keyboard', async () => {
    feeder = await Feeder.start(webRoot);
    await open();
    await connected();
    for (let i = 0; i < 4; i += 1) feeder.predict({ label: 'normal', confidence: 0.9 });
    for (let i = 0; i < 4; i += 1) feeder.predict({ label: 'murmur', confidence: 0.8 });
    await expectText('#now-label', 'Murmur');
    await page.locator('#history').focus();
    await expectText('#history-detail', /^Murmur, .*mean confidence 80 %/);
    await page.keyboard.press('ArrowLeft');
    await expectText('#history-detail', /^Normal, .*mean confidence 90 %/);
    expect(await page.locator('#history').getAttribute('aria-valuetext')).toMatch(/^Normal/);
  });

  it('notes display data that it cannot draw, and goes on', async () => {
    feeder = await Feeder.start(webRoot);
    await open();
    await connected();
    await soundIsDrawn();
    feeder.brokenFrames();
    await expectText('#log-count', /1 unreadable message ignored/);
    const before = await page.locator('#spectrogram').screenshot();
    feeder.play(1);
    await expect.poll(async () => (await page.locator('#spectrogram').screenshot()).equals(before)).toBe(false);
  });

  const connected = (): Promise<void> => expectText('#connection-text', 'Connected');

  /** Plays one stream; where its display data is subscribed to, until it is seen. */
  async function soundIsSent(stream: number, drawn: boolean): Promise<void> {
    if (drawn) return soundIsDrawn(stream);
    feeder.play(0.6, stream);
    await page.getByRole('button', { name: `Stream ${String(stream + 1)} Murmur` }).waitFor();
  }

  /** Plays until it is seen: the page asks for display data a moment after it has connected. */
  async function soundIsDrawn(stream = 0): Promise<void> {
    const played = async (): Promise<number> => {
      feeder.play(0.6, stream);
      return colorsOf('#spectrogram');
    };
    await expect.poll(played, { timeout: 8000, interval: 150 }).toBeGreaterThan(50);
  }

  async function playedCoverage(): Promise<number> {
    feeder.play(0.3);
    return coverageOf('#spectrogram');
  }

  /** Fraction of a canvas's columns that hold something. */
  function coverageOf(selector: string): Promise<number> {
    return page.locator(selector).evaluate((element) => {
      const canvas = element as HTMLCanvasElement;
      // Read from a copy: reading the page's own canvas again and again makes the browser complain of the reader.
      const copy = Object.assign(document.createElement('canvas'), { width: canvas.width, height: canvas.height }).getContext('2d', { willReadFrequently: true })!;
      copy.drawImage(canvas, 0, 0);
      const row = copy.getImageData(0, canvas.height >> 1, canvas.width, 1).data;
      let filled = 0;
      for (let i = 3; i < row.length; i += 4) if (row[i]! > 0) filled += 1;
      return filled / canvas.width;
    });
  }

  /** Number of distinct colours on a canvas. */
  function colorsOf(selector: string): Promise<number> {
    return page.locator(selector).evaluate((element) => {
      const canvas = element as HTMLCanvasElement;
      const copy = Object.assign(document.createElement('canvas'), { width: canvas.width, height: canvas.height }).getContext('2d', { willReadFrequently: true })!;
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    });
  }

  async function expectText(selector: string, text: string | RegExp): Promise<void> {
    const matches = typeof text === 'string' ? expect.stringMatching(new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`)) : expect.stringMatching(text);
    await expect.poll(() => page.locator(selector).textContent(), { timeout: 8000 }).toEqual(matches);
  }
});
