/** Keeps a canvas's pixels at its CSS size times the screen's density. */

/** Beyond this the eye gains nothing and a software renderer pays for it. */
const MAX_DENSITY = 2;

export class Surface {
  readonly context: CanvasRenderingContext2D;
  /** CSS pixels; drawing uses these units. */
  width = 0;
  height = 0;

  constructor(
    readonly canvas: HTMLCanvasElement,
    onResize: () => void,
  ) {
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('This browser offers no 2D canvas.');
    this.context = context;
    new ResizeObserver(() => {
      if (this.fit()) onResize();
    }).observe(canvas);
    this.fit();
  }

  clear(): void {
    this.context.clearRect(0, 0, this.width, this.height);
  }

  /** Takes over the element's size. @returns true when it changed (which also clears the canvas) */
  private fit(): boolean {
    const { width, height } = this.canvas.getBoundingClientRect();
    const density = Math.min(MAX_DENSITY, globalThis.devicePixelRatio || 1);
    const [pixelWidth, pixelHeight] = [Math.round(width * density), Math.round(height * density)];
    if (pixelWidth === this.canvas.width && pixelHeight === this.canvas.height && this.width === width) return false;
    Object.assign(this.canvas, { width: pixelWidth, height: pixelHeight });
    this.width = width;
    this.height = height;
    this.context.setTransform(density, 0, 0, density, 0, 0);
    return true;
  }
}
