import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/app/config.js';
import { environmentName, settings } from '../../src/app/settings.js';
import { StageError } from '../../src/common/stage-error.js';

function yaml(text: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'stetho-config-')), 'c.yaml');
  writeFileSync(file, text);
  return file;
}

function failure(run: () => unknown): StageError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(StageError);
    return error as StageError;
  }
  throw new Error('expected an error');
}

describe('loadConfig', () => {
  it('gives the defaults where nothing is said', () => {
    const { config, origins } = loadConfig();
    expect(config.server).toEqual({ host: '127.0.0.1', port: 8600, allowOpen: false, tokens: [], allowedOrigins: [], allowedHosts: [] });
    expect(config.sources).toEqual(['synth']);
    expect(new Set(Object.values(origins))).toEqual(new Set(['default']));
  });

  it('lets file, environment and flag override each other in that order, and says who won', () => {
    const file = yaml('server:\n  port: 1001\n  host: 10.0.0.1\nmodel: from-file\n');
    const environment = { STETHOSTREAM_SERVER_PORT: '1002', STETHOSTREAM_MODEL: 'from-env' };
    const { config, origins } = loadConfig({ file, environment, flags: { port: '1003' } });
    expect(config.server.port).toBe(1003);
    expect(config.server.host).toBe('10.0.0.1');
    expect(config.model).toBe('from-env');
    expect(origins['server.port']).toBe('flag --port');
    expect(origins['model']).toBe('environment STETHOSTREAM_MODEL');
    expect(origins['server.host']).toBe(`file ${file}`);
  });

  it('reads lists from commas, switches and null', () => {
    const { config } = loadConfig({
      environment: { STETHOSTREAM_SOURCES: 'synth, mic:USB', STETHOSTREAM_SERVER_ALLOW_OPEN: 'true', STETHOSTREAM_LABELS_UNKNOWN_BELOW: 'null' },
    });
    expect(config.sources).toEqual(['synth', 'mic:USB']);
    expect(config.server.allowOpen).toBe(true);
    expect(config.labels.unknownBelow).toBeNull();
  });

  it.each([
    ['port out of range', { flags: { port: '70000' } }, /server\.port = 70000 \(flag --port\)/],
    ['port that is no number', { environment: { STETHOSTREAM_SERVER_PORT: 'http' } }, /"http" \(environment STETHOSTREAM_SERVER_PORT\)/],
    ['unknown engine', { flags: { engine: 'abacus' } }, /engine = "abacus"/],
  ])('refuses %s, naming value and origin', (_, inputs, pattern) => {
    const error = failure(() => loadConfig(inputs));
    expect(error.code).toBe('APP_CONFIG_INVALID');
    expect(error.message).toMatch(pattern);
  });

  it('refuses a key nobody knows, a file that is no YAML or no mapping, and a missing file', () => {
    expect(failure(() => loadConfig({ file: yaml('server:\n  prot: 1\n') })).message).toMatch(/unknown setting server\.prot/);
    expect(failure(() => loadConfig({ file: yaml('a: [1') })).message).toMatch(/not YAML/);
    expect(failure(() => loadConfig({ file: yaml('- 1\n') })).message).toMatch(/mapping/);
    expect(failure(() => loadConfig({ file: '/nowhere/x.yaml' })).code).toBe('APP_CONFIG_NOT_FOUND');
  });

  it('accepts its own default for every setting, and no two settings share a name', () => {
    for (const names of [settings.map((s) => s.flag), settings.map((s) => environmentName(s.key))]) {
      expect(new Set(names).size).toBe(settings.length);
    }
    expect(environmentName('server.allowOpen')).toBe('STETHOSTREAM_SERVER_ALLOW_OPEN');
  });
});
