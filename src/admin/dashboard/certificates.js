// certificates: what is served, or shown to servers, and the days that are left.

import { find, h, setClass, setText, Table } from './dom.js';
import { daysUntil } from './format.js';

const LOW_DAYS = 30;
const CRITICAL_DAYS = 7;

function urgency(days) {
  return days < CRITICAL_DAYS ? 'down' : days < LOW_DAYS ? 'warn' : 'up';
}

function left(days) {
  if (days < 0) return 'expired';
  return days === 1 ? '1 day' : `${days} days`;
}

function response(ocsp) {
  if (!ocsp) return '';
  return ocsp.stapled ? `until ${ocsp.next_update.slice(0, 10)}` : 'none';
}

export class Certificates {
  #table = new Table(find('certificates'), [
    { title: 'names', class: 'name', make: () => h('span', {}, h('b'), h('code', { class: 'muted' })),
      update: (element, c) => { setText(element.firstElementChild, c.names.join(', ')); setText(element.lastElementChild, c.file); } },
    { title: 'left', make: () => h('span', { class: 'badge' }),
      update: (element, c) => { setText(element, left(c.days)); setClass(element, `badge ${urgency(c.days)}`); } },
    { title: 'until', class: 'muted date', text: (c) => c.not_after.slice(0, 10) },
    { title: 'OCSP', class: 'muted date', text: (c) => response(c.ocsp) },
    { title: 'for', class: 'muted where', text: (c) => [...c.listeners, ...c.pools.map((p) => `servers of ${p}`)].join(', ') },
  ], { empty: 'No certificate is served.', caption: 'Certificates', keyOf: (c) => c.fingerprint_sha256 + c.file });

  update(certificates) {
    const list = certificates.map((c) => ({ ...c, days: daysUntil(c.not_after) }));
    this.#table.show(list.sort((a, b) => a.days - b.days));
  }
}
