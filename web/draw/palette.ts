/**
 * Colour and shape of each label. The colours live in style.css (they change with the scheme); a shape and the written
 * label always go with them, so that nothing depends on telling colours apart.
 */

export type Shape = 'circle' | 'diamond' | 'triangle' | 'square' | 'ring' | 'hexagon';

export interface LabelStyle {
  shape: Shape;
  /** Custom property in style.css. */
  variable: string;
}

const known: Record<string, LabelStyle> = {
  normal: { shape: 'circle', variable: '--label-normal' },
  murmur: { shape: 'diamond', variable: '--label-murmur' },
  extrasystole: { shape: 'triangle', variable: '--label-extrasystole' },
  artifact: { shape: 'square', variable: '--label-artifact' },
  unknown: { shape: 'ring', variable: '--label-unknown' },
};

/** Labels of other models share one look; their text tells them apart. */
const other: LabelStyle = { shape: 'hexagon', variable: '--label-other' };

export function labelStyle(label: string): LabelStyle {
  return known[label] ?? other;
}

/** Reads label and surface colours from the style sheet; read again when the colour scheme changes. */
export class Colors {
  private cache = new Map<string, string>();

  constructor(private readonly root: Element) {}

  get(variable: string): string {
    let value = this.cache.get(variable);
    if (value === undefined) {
      value = getComputedStyle(this.root).getPropertyValue(variable).trim() || '#888';
      this.cache.set(variable, value);
    }
    return value;
  }

  ofLabel(label: string): string {
    return this.get(labelStyle(label).variable);
  }

  forget(): void {
    this.cache = new Map();
  }
}
