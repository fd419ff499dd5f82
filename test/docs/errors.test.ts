/** docs/errors.md is complete and true: every code that the sources can give has its row, and every row its code. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/common/paths.js';

const STAGES = ['app', 'capture', 'condition', 'features', 'inference', 'labels', 'serve', 'training'];
const CODE = new RegExp(`(?:${STAGES.map((stage) => stage.toUpperCase()).join('|')})_[A-Z0-9]+(?:_[A-Z0-9]+)*`);

const sources = readdirSync(join(packageRoot, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, text: readFileSync(join(packageRoot, 'src', name), 'utf8') }));
/** Codes stand in the sources as whole string literals. */
const used = new Map<string, string>();
for (const { name, text } of sources) {
  for (const [, code] of text.matchAll(new RegExp(`['"\`](${CODE.source})['"\`]`, 'g'))) used.set(code!, name);
}

interface Row {
  code: string;
  stage: string;
  meaning: string;
  remedy: string;
}

function documented(): Row[] {
  const rows: Row[] = [];
  let stage = '';
  for (const line of readFileSync(join(packageRoot, 'docs', 'errors.md'), 'utf8').split('\n')) {
    stage = /^## (\w+)/.exec(line)?.[1] ?? stage;
    const [, code, meaning, remedy] = /^\| `([A-Z0-9_]+)`[^|]*\|([^|]*)\|([^|]*)\|$/.exec(line) ?? [];
    if (code !== undefined) rows.push({ code, stage, meaning: meaning!.trim(), remedy: remedy!.trim() });
  }
  return rows;
}

describe('docs/errors.md', () => {
  const rows = documented();
  const codes = rows.map(({ code }) => code);

  it('is found to have codes to document', () => {
    expect(used.size).toBeGreaterThan(80);
    for (const code of ['CAPTURE_UNKNOWN_SOURCE', 'INFERENCE_HASH_MISMATCH', 'SERVE_PORT_IN_USE', 'TRAINING_TENSORFLOW_MISSING', 'APP_CONFIG_INVALID']) expect(used.has(code), code).toBe(true);
  });

  it('has a row for every code in src/', () => {
    expect([...used.keys()].filter((code) => !codes.includes(code)).map((code) => `${code} (src/${used.get(code)!})`)).toEqual([]);
  });

  it('has no row for a code that nothing gives, and none twice', () => {
    expect(codes.filter((code) => !used.has(code))).toEqual([]);
    expect(codes.filter((code, i) => codes.indexOf(code) !== i)).toEqual([]);
  });

  it('says meaning and remedy of each, under the heading of its stage', () => {
    for (const { code, stage, meaning, remedy } of rows) {
      expect(meaning.length, code).toBeGreaterThan(5);
      expect(remedy.length, code).toBeGreaterThan(3);
      expect(code.startsWith(`${stage.toUpperCase()}_`), `${code} under ${stage}`).toBe(true);
    }
  });
});
