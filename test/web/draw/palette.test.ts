import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/common/paths.js';
import { labelStyle } from '../../../web/draw/palette.js';
import { shapePath } from '../../../web/draw/shape.js';

const css = readFileSync(join(packageRoot, 'web', 'public', 'style.css'), 'utf8');
const [lightBlock, darkBlock] = [...css.matchAll(/:root \{([^}]*)\}/g)].map((match) => match[1]!);

function variables(block: string): Map<string, string> {
  return new Map([...block.matchAll(/(--[a-z-]+): (#[0-9a-f]{6})/g)].map((match) => [match[1]!, match[2]!]));
}

/** WCAG 2 relative luminance and contrast. */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const x = parseInt(hex.slice(at, at + 2), 16) / 255;
    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

const textPairs = [
  ['--text', '--page'],
  ['--text', '--surface'],
  ['--text', '--sunken'],
  ['--muted', '--page'],
  ['--muted', '--surface'],
  ['--muted', '--sunken'],
  ['--accent', '--surface'],
  ['--on-accent', '--accent'],
  ['--warn-text', '--warn-bg'],
  ['--surface', '--error'],
] as const;
const labels = ['normal', 'murmur', 'extrasystole', 'artifact', 'unknown', 'something-else'];

describe.each([
  ['light', lightBlock],
  ['dark', darkBlock],
])('%s scheme', (_name, block) => {
  const colors = variables(block ?? '');

  it.each(textPairs)('text %s on %s has a contrast of 4.5 or more', (text, ground) => {
    expect(contrast(colors.get(text)!, colors.get(ground)!)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(labels)('the colour of %s stands out from the surface (3 or more)', (label) => {
    expect(contrast(colors.get(labelStyle(label).variable)!, colors.get('--surface')!)).toBeGreaterThanOrEqual(3);
  });
});

it('no two known labels share a shape or a colour', () => {
  const styles = labels.map(labelStyle);
  expect(new Set(styles.map((style) => style.shape)).size).toBe(labels.length);
  expect(new Set(styles.map((style) => style.variable)).size).toBe(labels.length);
  expect(new Set(styles.map((style) => shapePath(style.shape))).size).toBe(labels.length);
});
