/** Numbers on the command line. */
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { wholeFrom } from '../../src/app/argument-checks.js';

function parse(...args: string[]): unknown {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined }).option('--limit <n>', 'some', wholeFrom(1));
  return command.parse(args, { from: 'user' }).opts()['limit'];
}

describe('wholeFrom', () => {
  it('takes whole numbers from the least on', () => {
    expect([parse('--limit', '1'), parse('--limit', '20'), parse('--limit', '1e3'), parse()]).toEqual([1, 20, 1000, undefined]);
  });

  it.each(['0', '-1', 'abc', '', ' ', '2.5', 'Infinity', '1e20'])('refuses "%s", naming option, argument and limit', (text) => {
    expect(() => parse(`--limit=${text}`)).toThrow(`option '--limit <n>' argument '${text}' is invalid. It must be a whole number of at least 1.`);
  });
});
