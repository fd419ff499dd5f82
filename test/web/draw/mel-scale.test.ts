import { describe, expect, it } from 'vitest';
import { articleFeatures, heartFeatures, melEdgesHz } from '../../../src/features/index.js';
import { melTicks, positionOfHz } from '../../../web/draw/mel-scale.js';

describe.each([
  ['heart', heartFeatures.mel],
  ['article', articleFeatures.mel],
])('mel axis of the %s features', (_name, mel) => {
  it("puts each filter's centre in the middle of its row", () => {
    const edges = melEdgesHz(mel);
    for (let band = 0; band < mel.nMels; band += 1) {
      expect(positionOfHz(edges[band + 1]!, mel)).toBeCloseTo((band + 0.5) / mel.nMels, 9);
    }
  });

  it('gives ascending ticks inside the plot that keep their distance', () => {
    const ticks = melTicks(mel, 0.1);
    expect(ticks.length).toBeGreaterThanOrEqual(5);
    for (const [i, tick] of ticks.entries()) {
      expect(tick.position).toBeGreaterThanOrEqual(0);
      expect(tick.position).toBeLessThanOrEqual(1);
      expect(tick.position).toBeCloseTo(positionOfHz(tick.hz, mel), 12);
      if (i > 0) expect(tick.position - ticks[i - 1]!.position).toBeGreaterThanOrEqual(0.1);
    }
  });
});

describe('tick choice', () => {
  it('labels the round frequencies', () => {
    expect(melTicks(heartFeatures.mel, 0.1).map((tick) => tick.label)).toEqual(['100', '200', '300', '400', '500', '600', '700', '800', '900']);
    expect(melTicks(articleFeatures.mel, 0.1).map((tick) => tick.label)).toContain('1k');
  });

  it('prefers rounder ones where there is room for few', () => {
    expect(melTicks(heartFeatures.mel, 0.3).map((tick) => tick.hz)).toEqual([100, 500, 800]);
  });
});
