// rules: the listeners, and per rule what it says, how often it was taken, and what goes through it.

import { find, h, keep, setClass, setText, share, Table } from './dom.js';
import { bytes, count, rate } from './format.js';

const keyOf = (listener, rule) => JSON.stringify([listener, rule]);

/* What connections it is for; a nested one is for those that its outer rule has terminated. */
function kind(rule) {
  return rule.nested ? 'inside' : rule.tls ?? 'plain';
}

function target(rule) {
  if (rule.pool) return `→ ${rule.pool}`;
  if (rule.reject) return 'reject';
  return rule.redirect ? `redirect to ${rule.redirect}` : '';
}

class Listener {
  constructor() {
    this.name = h('h3');
    this.bind = h('code', { class: 'muted' });
    this.open = h('span', { class: 'muted' });
    this.rules = h('div');
    this.element = h('article', {}, h('div', { class: 'head' }, this.name, this.bind, this.open), this.rules);
    this.table = new Table(this.rules, [
      { title: 'rule', class: 'name', make: () => h('span', {}, h('b'), h('span', { class: 'badge' }), h('span', { class: 'muted' })),
        update: (element, rule) => {
          const [name, badge, where] = element.children;
          setText(name, rule.name);
          setText(badge, kind(rule));
          setClass(badge, `badge ${kind(rule)}`);
          setText(where, target(rule));
          element.toggleAttribute('data-nested', rule.nested === true);
        } },
      { title: 'hits', class: 'number part', make: () => h('span'),
        update: (element, rule) => { setText(element, count(rule.hits)); share(element.parentElement, rule.part); } },
      { title: 'hits / s', class: 'number', text: (rule) => rate(rule.rate) },
      { title: 'open', class: 'number', text: (rule) => count(rule.sessions) },
      { title: 'bytes', class: 'number', text: (rule) => bytes(rule.bytes) },
    ], { empty: 'No rules.', caption: 'Rules', keyOf: (rule) => rule.name });
  }

  update(listener, rates) {
    const own = rates.groups((row) => (row.listener === listener.name ? keyOf(row.listener, row.rule) : null));
    const open = [...own.values()].reduce((sum, row) => sum + row.sessions, 0);
    const most = Math.max(1, ...[...own].filter(([key]) => key !== keyOf(listener.name, '')).map(([, row]) => row.taken));
    setText(this.name, listener.name);
    setText(this.bind, listener.bind.join('  '));
    setText(this.open, `${count(open)} open`);
    this.table.show(listener.rules.map((rule) => {
      const row = own.get(keyOf(listener.name, rule.name));
      return { ...rule, hits: row?.taken ?? 0, part: (row?.taken ?? 0) / most, rate: row?.takenRate ?? 0,
        sessions: row?.sessions ?? 0, bytes: (row?.in ?? 0) + (row?.out ?? 0) };
    }));
  }
}

export function showRules(status, rates) {
  keep(find('listeners'), status.listeners, (listener) => listener.name, () => {
    const listener = new Listener();
    listener.element.listener = listener;
    return listener.element;
  }, (element, listener) => element.listener.update(listener, rates));
}
