/** `stethostream config print`: every setting in force and where it came from. */
import { loadConfig } from '../config.js';
import { table } from '../output.js';
import { settings } from '../settings.js';

export function configPrint(flags: Record<string, unknown>): void {
  const { config, origins } = loadConfig({ file: flags['config'] as string | undefined, environment: process.env, flags });
  const rows = settings.map((s) => ({ key: s.key, value: valueAt(config, s.key), origin: origins[s.key]!, description: s.description }));
  // Tokens are secrets: show that they are there, not what they are.
  const shown = rows.map((row) => (row.key === 'server.tokens' ? { ...row, value: (row.value as string[]).map(() => '(hidden)') } : row));
  if (flags['json']) process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
  else process.stdout.write(`${table([['SETTING', 'VALUE', 'FROM'], ...shown.map((row) => [row.key, JSON.stringify(row.value), row.origin])])}\n`);
}

function valueAt(tree: object, key: string): unknown {
  return key.split('.').reduce<unknown>((node, name) => (node as Record<string, unknown>)[name], tree);
}
