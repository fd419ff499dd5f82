/** Small helpers around the DOM. Text from messages only ever goes in as text, never as HTML. */

/** The element of index.html with this id. Throws when the page and the script don't belong together. */
export function byId<T extends Element = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no element #${id}: index.html and main.js are of different versions.`);
  return element as unknown as T;
}

/** Writes the text only when it differs, so that rendering often costs nothing. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setHidden(element: HTMLElement, hidden: boolean): void {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/** Sets or (undefined) removes an attribute when it differs. */
export function setAttribute(element: Element, name: string, value: string | undefined): void {
  if (value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** A new element with class and text. */
export function make<K extends keyof HTMLElementTagNameMap>(tag: K, className = '', text = ''): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  if (text !== '') element.textContent = text;
  return element;
}

/** A bar (`.bar > i`) filled to a fraction 0…1. */
export function setBar(bar: HTMLElement, fraction: number, color: string): void {
  const fill = bar.firstElementChild as HTMLElement;
  const transform = `scaleX(${fraction.toFixed(3)})`;
  if (fill.style.transform !== transform) fill.style.transform = transform;
  if (fill.style.backgroundColor !== color) fill.style.backgroundColor = color;
}

/** An SVG of one path in a box of 24 × 24. */
export function makeShape(path: string, className: string): SVGSVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', className);
  svg.setAttribute('aria-hidden', 'true');
  const shape = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  shape.setAttribute('fill-rule', 'evenodd');
  shape.setAttribute('d', path);
  svg.append(shape);
  return svg;
}
