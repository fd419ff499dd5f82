import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { afterEach, describe, expect, it } from 'vitest';
import { builtModule } from '../../../src/common/paths.js';
import type { TrainingProgress } from '../../../src/training/run-log.js';
import { LiveRun, type LiveState } from '../../../src/training/watch/live-run.js';
import { openWatch, type WatchServer } from '../../../src/training/watch/watch-server.js';

const CHROMIUM = '/usr/bin/chromium';
const progress = (over: Partial<TrainingProgress> = {}): TrainingProgress => ({ phase: 'pretrain', done: 160, total: 1600, unit: 'windows', perSecond: 20, etaSeconds: 72, loss: 0.9, learningRate: 1e-3, updatedAt: '2026-01-01T00:00:00.000Z', ...over });

const open: WatchServer[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function watched(run = new LiveRun('A <run>')): Promise<{ run: LiveRun; url: string; state: () => Promise<LiveState> }> {
  const server = await openWatch(run, 0);
  open.push(server);
  return { run, url: server.url, state: async () => (await (await fetch(`${server.url}state`)).json()) as LiveState };
}

describe('a live run', () => {
  it('has the latest report, the last lines, and a chart per phase with a loss, the present one first', () => {
    const run = new LiveRun('run');
    for (let i = 0; i < 20; i++) run.line(`line ${i}`);
    run.update(progress({ phase: 'audio', unit: 'clips', loss: undefined as never, learningRate: undefined as never }));
    expect(run.state().chart).toBe('');
    for (let i = 1; i <= 3; i++) run.update(progress({ done: 16 * i, loss: 1 / i }));
    for (let i = 1; i <= 3; i++) run.update(progress({ phase: 'fold <1>', done: 16 * i, loss: 0.5 / i }));
    const { lines, chart, progress: latest } = run.state();
    expect([lines.length, lines.at(-1)]).toEqual([12, 'line 19']);
    expect(latest).toMatchObject({ phase: 'fold <1>', done: 48 });
    expect(chart.indexOf('fold &#60;1&#62;')).toBeGreaterThan(-1);
    expect(chart.indexOf('fold &#60;1&#62;')).toBeLessThan(chart.indexOf('pretrain'));
    expect(chart.match(/role="img"/g)).toHaveLength(2);
    expect(chart).not.toContain('NaN');
  });

  it('goes on with the course that an earlier process left', () => {
    const run = new LiveRun('run');
    const points = Array.from({ length: 1500 }, (_, i) => ({ done: 160 * (i + 1), loss: 2 - i / 1500, learningRate: 1e-3 }));
    run.recall({ phase: 'pretrain', total: 480_000, unit: 'windows', points });
    const before = run.state().chart;
    expect(before.match(/role="img"/g)).toHaveLength(1);
    expect(before.length).toBeLessThan(40_000);
    run.update(progress({ done: 240_160, total: 480_000 }));
    const after = run.state().chart;
    expect(after.match(/role="img"/g)).toHaveLength(1);
    expect(after).not.toBe(before);
  });

  it('keeps a long phase in bounds, from start to end', () => {
    const run = new LiveRun('run');
    const sizes: number[] = [];
    for (let i = 1; i <= 5000; i++) {
      run.update(progress({ done: i, total: 5000, loss: Math.exp(-i / 1000) }));
      if (i % 1000 === 0) sizes.push(run.state().chart.length);
    }
    expect(Math.max(...sizes)).toBeLessThan(40_000);
    expect(Math.min(...sizes)).toBeGreaterThan(2000);
  });
});

describe('the page that watches', () => {
  it('gives the state as it changes', async () => {
    const { run, state } = await watched();
    expect(await state()).toEqual({ title: 'A <run>', progress: null, lines: [], chart: '' });
    run.update(progress());
    run.line('hello');
    const { chart, ...rest } = await state();
    expect(rest).toEqual({ title: 'A <run>', progress: progress(), lines: ['hello'] });
    expect(chart).toContain('<svg');
  });

  it('can only be read, by its own name, and only the two paths', async () => {
    const { url } = await watched();
    const page = await fetch(url);
    expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'.*script-src 'sha256-/);
    expect(page.status).toBe(200);
    expect((await fetch(url, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${url}etc/passwd`)).status).toBe(404);
    const status = await new Promise((resolve) => request(url, { headers: { host: 'evil.example' } }, (response) => resolve(response.resume().statusCode)).end());
    expect(status).toBe(403);
  });

  it('answers whoever asks while a step of the run blocks its thread for long', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', `
      import { LiveRun } from ${JSON.stringify(pathToFileURL(builtModule('training/watch/live-run')).href)};
      import { openWatch } from ${JSON.stringify(pathToFileURL(builtModule('training/watch/watch-server')).href)};
      const run = new LiveRun('blocked');
      let asked = 0;
      const block = () => { for (const end = Date.now() + 7000; Date.now() < end; ); };
      const state = () => (++asked === 5 && setImmediate(block), run.state());
      const { url } = await openWatch({ state }, 0);
      setInterval(() => undefined, 1000);
      console.log(url);
    `]);
    try {
      const [url] = (await once(child.stdout, 'data')) as [Buffer];
      for (let i = 0; i < 10; i++) {
        expect(await (await fetch(`${String(url).trim()}state`)).json()).toMatchObject({ title: 'blocked' });
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    } finally {
      child.kill('SIGKILL');
    }
  }, 30_000);

  it('says what to do when the port is taken or is none', async () => {
    const { url } = await watched();
    await expect(openWatch(new LiveRun('x'), Number(new URL(url).port))).rejects.toMatchObject({ code: 'TRAINING_WATCH_PORT', remedy: expect.stringContaining('0 for a free one') as string });
    for (const port of [-1, 70_000, 1.5, NaN]) await expect(openWatch(new LiveRun('x'), port)).rejects.toMatchObject({ code: 'TRAINING_OPTION_INVALID' });
  });

  it.skipIf(!existsSync(CHROMIUM))(`shows the run in a browser, and that it has gone (skipped without ${CHROMIUM})`, async () => {
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
    try {
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on('console', (message) => complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(error.message));
      const { run, url } = await watched();
      run.update(progress());
      await page.goto(url);
      await page.getByRole('img', { name: 'pretrain' }).waitFor();
      expect(await page.locator('#title').textContent()).toBe('A <run>');
      run.update(progress({ phase: 'fold 1 of 4', done: 800, loss: 0.25 }));
      run.line('a line <b>as text</b>');
      await expect.poll(() => page.locator('#facts').textContent(), { timeout: 10_000 }).toContain('loss 0.250');
      expect(await page.locator('#facts').textContent()).toBe('800 of 1600 windows · 20.0 a second · 1 min 12 s to the end of this phase · loss 0.250 · learning rate 1.00e-3');
      expect(await page.locator('#phase').textContent()).toBe('fold 1 of 4');
      expect(await page.locator('#log').textContent()).toBe('a line <b>as text</b>');
      for (const name of ['pretrain', 'fold 1 of 4']) expect(await page.getByRole('img', { name }).count()).toBe(1);
      expect(complaints).toEqual([]);
      await open.pop()!.close();
      await page.locator('#lost').waitFor({ state: 'visible', timeout: 10_000 });
    } finally {
      await browser.close();
    }
  }, 60_000);
});
