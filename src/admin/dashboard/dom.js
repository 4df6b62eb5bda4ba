// dom: elements made and kept up to date. Texts are set as text, never as markup.

import { visible } from './format.js';

const SVG = 'http://www.w3.org/2000/svg';

export const find = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/* Only what has changed is touched, so that a selection or a pressed button is not lost. */
export function setText(element, text) {
  const shown = visible(text);
  if (element.textContent !== shown) element.textContent = shown;
}

export function setClass(element, name) {
  if (element.getAttribute('class') !== name) element.setAttribute('class', name);
}

/* The children of `parent` are one per item, in their order; `make(item)` gives an element,
 * `update(element, item)` fills it, and it stays the same element as long as the key does. */
export function keep(parent, items, keyOf, make, update) {
  const known = (parent.kept ??= new Map());
  const seen = new Set();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    if (seen.has(key)) continue;
    seen.add(key);
    let element = known.get(key);
    if (!element) known.set(key, (element = make(item)));
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
    update(element, item);
  }
  for (const [key, element] of known) {
    if (seen.has(key)) continue;
    element.remove();
    known.delete(key);
  }
}

/* A table. `columns`: {title, class, text(item)} or {title, class, make(item), update(element, item)}. */
export class Table {
  constructor(parent, columns, { empty, caption, keyOf }) {
    this.columns = columns;
    this.keyOf = keyOf;
    this.body = h('tbody');
    const head = h('thead', {}, h('tr', {}, ...columns.map((c) => h('th', { scope: 'col', class: c.class }, c.title))));
    this.table = h('table', { 'aria-label': caption }, head, this.body);
    this.empty = h('p', { class: 'muted empty' }, empty);
    parent.append(h('div', { class: 'scroll' }, this.table), this.empty);
  }

  #row(item) {
    return h('tr', {}, ...this.columns.map((c) => {
      const cell = h('td', { class: c.class, 'data-title': c.title });
      if (c.make) cell.append(c.make(item));
      return cell;
    }));
  }

  #update(row, item) {
    this.columns.forEach((c, i) => {
      const cell = row.children[i];
      if (c.make) c.update(cell.firstElementChild, item);
      else setText(cell, c.text(item));
      cell.toggleAttribute('data-empty', cell.textContent === '');
    });
  }

  show(items) {
    keep(this.body, items, this.keyOf, (item) => this.#row(item), (row, item) => this.#update(row, item));
    this.table.parentElement.hidden = items.length === 0;
    this.empty.hidden = items.length > 0;
  }
}

/* A column that shows how much of the whole this is, behind its number. */
export function share(element, part) {
  const percent = Math.round(Math.min(1, Math.max(0, part)) * 1000) / 10;
  element.style.setProperty('--part', `${percent}%`);
}

const LASTS_MS = 6000;

export function toast(text, kind = 'good') {
  const element = h('p', { class: `toast ${kind}` });
  setText(element, text);
  find('toasts').append(element);
  setTimeout(() => element.remove(), kind === 'bad' ? 2 * LASTS_MS : LASTS_MS);
}
