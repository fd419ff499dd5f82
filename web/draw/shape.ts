/** The labels' shapes, as canvas paths and as SVG path data. */
import type { Shape } from './palette.js';

/** Corners around 0,0 for shapes of radius 1; y grows downward. Circles have none. */
const corners: Record<Shape, ReadonlyArray<readonly [number, number]>> = {
  circle: [],
  ring: [],
  diamond: polygon(4, -90),
  triangle: polygon(3, -90),
  // By its corners a square would look smaller than the others.
  square: polygon(4, -45, 1.2),
  hexagon: polygon(6, 0),
};

function polygon(count: number, startDegrees: number, radius = 1): Array<readonly [number, number]> {
  return Array.from({ length: count }, (_, i) => {
    const angle = ((startDegrees + (360 * i) / count) * Math.PI) / 180;
    return [radius * Math.cos(angle), radius * Math.sin(angle)] as const;
  });
}

/** Fills a shape (strokes the ring) in `color`; `radius` in the canvas's units. */
export function drawShape(context: CanvasRenderingContext2D, shape: Shape, x: number, y: number, radius: number, color: string): void {
  context.beginPath();
  if (shape === 'circle' || shape === 'ring') {
    context.arc(x, y, shape === 'ring' ? radius * 0.75 : radius * 0.9, 0, 2 * Math.PI);
  } else {
    for (const [cx, cy] of corners[shape]) context.lineTo(x + radius * cx, y + radius * cy);
    context.closePath();
  }
  if (shape === 'ring') {
    context.lineWidth = radius * 0.5;
    context.strokeStyle = color;
    context.stroke();
  } else {
    context.fillStyle = color;
    context.fill();
  }
}

/** SVG path data of a shape within a box of 24 × 24. */
export function shapePath(shape: Shape): string {
  if (shape === 'circle') return circle(10);
  if (shape === 'ring') return `${circle(10)} ${circle(5)}`;
  const points = corners[shape].map(([x, y]) => `${(12 + 11 * x).toFixed(2)},${(12 + 11 * y).toFixed(2)}`);
  return `M${points.join('L')}Z`;
}

function circle(radius: number): string {
  const [left, right] = [12 - radius, 12 + radius];
  return `M${String(left)},12A${String(radius)},${String(radius)} 0 1 0 ${String(right)},12A${String(radius)},${String(radius)} 0 1 0 ${String(left)},12Z`;
}
