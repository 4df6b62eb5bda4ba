// pools: each server's health and sessions, and the buttons that take one out and bring it back.

import { change } from './api.js';
import { find, h, keep, setClass, setText, share, Table, toast } from './dom.js';
import { count } from './format.js';

function health(server) {
  if (server.state !== 'ready') return server.state;
  return server.up ? 'up' : 'down';
}

async function set(pool, server, state) {
  const path = `/v1/pools/${encodeURIComponent(pool)}/servers/${encodeURIComponent(server)}`;
  try {
    if (await change('PATCH', path, { state })) toast(`${pool}/${server}: ${state}`);
  } catch (error) {
    toast(`${pool}/${server}: ${error.message}`, 'bad');
  }
}

class Buttons {
  constructor(pool, changed) {
    this.server = null;
    this.list = [['drain', 'no new sessions; those it has go on'], ['maint', 'no new sessions, no health checks'],
      ['ready', 'new sessions again']].map(([state, title]) => {
      const press = async (event) => {
        event.target.disabled = true;
        await set(pool(), this.server.name, state);
        event.target.disabled = false;
        changed();
      };
      return h('button', { type: 'button', class: 'small', title, 'data-state': state, on: { click: press } }, state);
    });
    this.element = h('span', { class: 'buttons' }, ...this.list);
    this.element.buttons = this;
  }

  update(server) {
    this.server = server;
    for (const button of this.list) {
      const state = button.getAttribute('data-state');
      button.hidden = (server.state === 'ready') === (state === 'ready');
      button.setAttribute('aria-label', `${state} ${server.name}`);
    }
  }
}

class Pool {
  constructor(changed) {
    this.name = h('h3');
    this.balance = h('span', { class: 'muted' });
    this.waiting = h('span', { class: 'badge warn' });
    this.servers = h('div');
    this.element = h('article', {}, h('div', { class: 'head' }, this.name, this.balance, this.waiting), this.servers);
    this.table = new Table(this.servers, [
      { title: 'server', class: 'name', make: () => h('span', {}, h('b'), h('code', { class: 'muted' })),
        update: (element, server) => {
          setText(element.firstElementChild, server.name);
          setText(element.lastElementChild, server.name === server.address ? '' : server.address);
        } },
      { title: 'state', make: () => h('span', { class: 'badge' }),
        update: (element, server) => { setText(element, health(server) + (server.backup ? ' · backup' : '')); setClass(element, `badge ${health(server)}`); } },
      { title: 'sessions', class: 'number part', make: () => h('span'),
        update: (element, server) => {
          setText(element, server.max_sessions ? `${count(server.sessions)} / ${count(server.max_sessions)}` : count(server.sessions));
          share(element.parentElement, server.part);
        } },
      { title: 'weight', class: 'number', text: (server) => server.weight },
      { title: 'last error', class: 'muted long', text: (server) => server.last_error },
      { title: '', class: 'act', make: () => new Buttons(() => this.pool.name, changed).element,
        update: (element, server) => element.buttons.update(server) },
    ], { empty: 'No servers.', caption: 'Servers', keyOf: (server) => `${server.name} ${server.address}` });
  }

  update(pool) {
    this.pool = pool;
    const most = Math.max(1, ...pool.servers.map((server) => server.sessions));
    setText(this.name, pool.name);
    setText(this.balance, pool.balance.replaceAll('_', ' '));
    setText(this.waiting, `${count(pool.waiting)} waiting`);
    this.waiting.hidden = pool.waiting === 0;
    this.table.show(pool.servers.map((server) => ({ ...server, part: server.sessions / (server.max_sessions ?? most) })));
  }
}

export function showPools(pools, changed) {
  keep(find('pools'), pools, (pool) => pool.name, () => {
    const pool = new Pool(changed);
    pool.element.pool = pool;
    return pool.element;
  }, (element, pool) => element.pool.update(pool));
}
