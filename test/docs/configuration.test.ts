import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { environmentName, settings } from '../../src/app/settings.js';
import { packageRoot } from '../../src/common/paths.js';

describe('docs/configuration.md', () => {
  it('has a row for every setting with its flag, variable and default (else run scripts/make-config-docs.mjs)', () => {
    const text = readFileSync(join(packageRoot, 'docs/configuration.md'), 'utf8');
    for (const s of settings) {
      expect(text).toContain(`| \`${s.key}\` | \`--${s.flag}\` | \`${environmentName(s.key)}\` | \`${JSON.stringify(s.default)}\` |`);
    }
    expect(text.match(/^\| `[a-z]/gm)!.length).toBeGreaterThanOrEqual(settings.length);
  });
});
