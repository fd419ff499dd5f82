// Writes the table of settings in docs/configuration.md from src/app/settings.ts (built); a test keeps it current.
import { readFileSync, writeFileSync } from 'node:fs';
import { environmentName, settings } from '../dist/app/settings.js';

export function settingsTable() {
  const cell = (text) => text.replaceAll('|', '\\|');
  const rows = settings.map((s) => `| \`${s.key}\` | \`--${s.flag}\` | \`${environmentName(s.key)}\` | \`${JSON.stringify(s.default)}\` | ${cell(s.description)} |`);
  return ['| key | flag | environment | default | meaning |', '|---|---|---|---|---|', ...rows].join('\n');
}

export function withTable(document) {
  return document.replace(/(<!-- settings:start[^>]*-->\n)[\s\S]*?(<!-- settings:end -->)/, (_, start, end) => `${start}${settingsTable()}\n${end}`);
}

const file = new URL('../docs/configuration.md', import.meta.url);
if (process.argv[1] === new URL(import.meta.url).pathname) writeFileSync(file, withTable(readFileSync(file, 'utf8')));
