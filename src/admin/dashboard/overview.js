// overview: the four numbers with their last minute, and the split by protocol.

import { find, h, keep, setText, share, svg, Table } from './dom.js';
import { bytes, count, rate } from './format.js';
import { isArrival, sum, sumRate } from './rates.js';

const WIDTH = 160;
const HEIGHT = 40;
const POINTS = 60;
const COLOURS = 8;

class Tile {
  constructor(title, measure, show) {
    this.measure = measure;
    this.show = show;
    this.value = h('strong', {}, '–');
    this.note = h('small', { class: 'muted' });
    this.line = svg('polyline', { class: 'line' });
    this.area = svg('polygon', { class: 'area' });
    const chart = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, this.area, this.line);
    find('tiles').append(h('div', { class: 'card tile' }, h('h2', {}, title), this.value, this.note, chart));
  }

  update(rates, note) {
    const points = rates.history(this.measure).slice(-POINTS);
    if (points.length > 0) setText(this.value, this.show(points.at(-1)));
    const most = Math.max(...points, 0);
    setText(this.note, note ?? (points.length > 1 ? `most ${this.show(most)}` : ''));
    const x = (i) => (((POINTS - points.length + i) / (POINTS - 1)) * WIDTH).toFixed(1);
    const y = (value) => (HEIGHT - 2 - (most > 0 ? value / most : 0) * (HEIGHT - 6)).toFixed(1);
    const path = points.map((value, i) => `${x(i)},${y(value)}`).join(' ');
    this.line.setAttribute('points', path);
    this.area.setAttribute('points', points.length > 1 ? `${x(0)},${HEIGHT} ${path} ${WIDTH},${HEIGHT}` : '');
  }
}

/* Always the same colour for a name. */
function colour(name) {
  let hash = 7;
  for (const c of name) hash = (hash * 31 + c.codePointAt(0)) >>> 0;
  const fixed = { tls: 0, fix: 1, http: 2, ssh: 3, postgres: 4, unknown: 5, silent: 6 };
  return fixed[name] ?? hash % COLOURS;
}

export class Overview {
  #tiles = {
    arriving: new Tile('New sessions / s', sumRate('taken', isArrival), rate),
    open: new Tile('Open sessions', sum('sessions'), count),
    in: new Tile('From clients / s', sumRate('bytes_in'), bytes),
    out: new Tile('To clients / s', sumRate('bytes_out'), bytes),
  };

  #table = new Table(find('protocols'), [
    { title: 'protocol', class: 'name', make: () => h('span', {}, h('i', { class: 'dot' }), h('span')),
      update: (element, p) => { element.firstElementChild.setAttribute('class', `dot c${colour(p.name)}`); setText(element.lastElementChild, p.name); } },
    { title: 'open', class: 'number', text: (p) => count(p.sessions) },
    { title: 'new / s', class: 'number', text: (p) => rate(p.decidedRate) },
    { title: 'in / s', class: 'number', text: (p) => bytes(p.inRate) },
    { title: 'out / s', class: 'number', text: (p) => bytes(p.outRate) },
    { title: 'in', class: 'number total', text: (p) => bytes(p.in) },
    { title: 'out', class: 'number total', text: (p) => bytes(p.out) },
    { title: 'sessions', class: 'number total', text: (p) => count(p.decided) },
  ], { empty: 'No session yet.', caption: 'Traffic by protocol', keyOf: (p) => p.name });

  update(rates, status) {
    for (const [name, tile] of Object.entries(this.#tiles))
      tile.update(rates, name === 'open' ? `room for ${count(status.max_sessions)}` : undefined);
    const protocols = this.#protocols(rates);
    this.#table.show(protocols);
    const total = protocols.reduce((all, p) => all + p.sessions, 0);
    keep(find('protocol-bar'), protocols.filter((p) => p.sessions > 0), (p) => p.name, (p) => h('i', { class: `c${colour(p.name)}`, title: p.name }),
      (element, p) => share(element, p.sessions / total));
    find('protocol-bar').hidden = total === 0;
  }

  #protocols(rates) {
    const groups = rates.groups((row) => (row.protocol === '' ? null : row.protocol));
    const undecided = rates.groups((row) => (row.protocol === '' && row.sessions > 0 ? 'undecided' : null)).get('undecided');
    const list = [...groups.values()].sort((a, b) => b.sessions - a.sessions || b.decided - a.decided || (a.name < b.name ? -1 : 1));
    return undecided ? [...list, { ...undecided, decided: 0, decidedRate: 0 }] : list;
  }
}
