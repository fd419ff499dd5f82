/** Axis labels beside a canvas, as text (they zoom, and take the page's font). */
import { make } from './dom.js';

export interface Tick {
  label: string;
  /** Fraction along the axis: from the left, or from the bottom. */
  position: number;
}

/** Replaces the ticks of an axis element. */
export function renderTicks(axis: HTMLElement, ticks: readonly Tick[], direction: 'x' | 'y'): void {
  axis.replaceChildren(
    ...ticks.map(({ label, position }) => {
      const tick = make('span', 'tick', label);
      const percent = `${(100 * position).toFixed(2)}%`;
      if (direction === 'x') tick.style.left = percent;
      else tick.style.bottom = percent;
      if (direction === 'x' && position === 0) tick.classList.add('first');
      if (direction === 'x' && position === 1) tick.classList.add('last');
      return tick;
    }),
  );
}
