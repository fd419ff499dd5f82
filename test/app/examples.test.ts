import { describe, expect, it } from 'vitest';
import { examplesOf } from '../../src/app/examples.js';
import { parseSourceSpec } from '../../src/capture/source-spec.js';
import { runCommand } from '../support/command.js';

const commands = ['serve', 'classify', 'devices', 'record', 'train', 'evaluate', 'report', 'doctor', 'bench', 'config'];

describe('examples', () => {
  it.each(commands)('%s: call this command or one that helps with it, with options that it has and sources that can be opened', async (name) => {
    const examples = examplesOf(name);
    const { stdout: help } = await runCommand([...(name === 'config' ? ['config', 'print'] : [name]), '--help']);
    const lines = examples.split('\n').filter((line) => line.startsWith('  stethostream'));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      const [, spec] = /--source "?([^" ]+(?: stethoscope)?)"?/.exec(line) ?? [];
      if (spec !== undefined) expect(() => parseSourceSpec(spec)).not.toThrow();
      if (!line.startsWith(`  stethostream ${name}`)) continue;
      for (const [flag] of line.split('|')[0]!.matchAll(/--[a-z-]+/g)) expect(help).toMatch(new RegExp(`${flag}\\b`));
    }
  });

  it('there are none for a command that is none', () => expect(examplesOf('nothing')).toBe(''));
});
