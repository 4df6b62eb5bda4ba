// sessions: the live ones, searched by the gateway, and the button that ends one.

import { change, get } from './api.js';
import { find, h, setClass, setText, Table, toast } from './dom.js';
import { bytes, count, duration } from './format.js';

const SHOWN = 100;
const PAUSE_MS = 250;
const SURE_MS = 4000;
const PERIOD_MS = 2000;
const COSTS = 10; // a list that took long to make is asked for as much less often

function names(s) {
  const compids = [s.fix_sender, s.fix_target].filter(Boolean).join(' → ');
  return [s.sni, compids, s.client_cn && `CN ${s.client_cn}`].filter(Boolean).join(' · ');
}

function protocol(s) {
  return [s.protocol, s.inner_protocol].filter(Boolean).join(' + ');
}

async function kill(id) {
  try {
    if (await change('DELETE', `/v1/sessions/${encodeURIComponent(id)}`)) toast(`session ${id} was ended`);
  } catch (error) {
    toast(`session ${id}: ${error.message}`, 'bad');
  }
}

/* Asks for a second press: there is no way back. */
function killButton(changed) {
  let timer;
  const button = h('button', { type: 'button', class: 'small danger' }, 'kill');
  const rest = () => {
    clearTimeout(timer);
    button.removeAttribute('data-sure');
    button.textContent = 'kill';
  };
  button.addEventListener('click', async () => {
    if (!button.hasAttribute('data-sure')) {
      button.setAttribute('data-sure', '');
      button.textContent = 'sure?';
      timer = setTimeout(rest, SURE_MS);
      return;
    }
    rest();
    button.disabled = true;
    await kill(button.session.id);
    button.disabled = false;
    changed();
  });
  return button;
}

export class Sessions {
  #text = '';
  #dueAt = -Infinity;
  #table;

  constructor(changed) {
    this.#table = new Table(find('sessions'), [
      { title: 'client', class: 'name', make: () => h('span', {}, h('code'), h('small', { class: 'muted' })),
        update: (element, s) => { setText(element.firstElementChild, s.client); setText(element.lastElementChild, s.listener); } },
      { title: 'state', make: () => h('span', { class: 'badge' }),
        update: (element, s) => { setText(element, s.state.replaceAll('_', ' ')); setClass(element, `badge s-${s.state}`); } },
      { title: 'protocol', class: 'where', text: protocol },
      { title: 'name', class: 'long who', text: names },
      { title: 'rule', class: 'muted where', text: (s) => s.rule },
      { title: 'server', class: 'where', text: (s) => (s.pool ? `${s.pool} / ${s.server ?? '…'}` : '') },
      { title: 'age', class: 'number', text: (s) => duration(s.duration_ms / 1000) },
      { title: 'in', class: 'number', text: (s) => bytes(s.bytes_in) },
      { title: 'out', class: 'number', text: (s) => bytes(s.bytes_out) },
      { title: '', class: 'act', make: () => killButton(changed),
        update: (button, s) => { button.session = s; button.setAttribute('aria-label', `kill ${s.id}`); } },
    ], { empty: 'No session matches.', caption: 'Sessions', keyOf: (s) => s.id });
    let timer;
    find('search').addEventListener('input', (event) => {
      clearTimeout(timer);
      timer = setTimeout(() => { this.#text = event.target.value.trim(); changed(); }, PAUSE_MS);
    });
  }

  /* Something has changed: the next look is to see it. */
  due() {
    this.#dueAt = -Infinity;
  }

  async update(open) {
    const begun = performance.now();
    if (begun < this.#dueAt) return;
    const asked = this.#text;
    const search = asked === '' ? '' : `&contains=${encodeURIComponent(asked)}`;
    const list = await get(`/v1/sessions?limit=${SHOWN}${search}`);
    this.#dueAt = begun + Math.max(PERIOD_MS, COSTS * (performance.now() - begun));
    if (asked !== this.#text) return this.due();
    this.#table.show(list.sort((a, b) => (a.time < b.time ? 1 : -1)));
    const many = list.length === SHOWN ? `the first ${SHOWN}` : count(list.length);
    setText(find('shown'), asked === '' ? `${many} of ${count(open)}` : `${many} with this text`);
  }
}
