// app: asks every second, as long as somebody looks, and hands out what came.

import { change, get } from './api.js';
import { Certificates } from './certificates.js';
import { find, h, keep, setClass, setText, toast } from './dom.js';
import { Ends } from './ends.js';
import { count, duration } from './format.js';
import { Overview } from './overview.js';
import { showPools } from './pools.js';
import { Rates } from './rates.js';
import { showRules } from './rules.js';
import { Sessions } from './sessions.js';

const PERIOD_MS = 1000;
const CERTIFICATES_MS = 30000;

const rates = new Rates();
const overview = new Overview();
const ends = new Ends();
const certificates = new Certificates();
const sessions = new Sessions(() => loop.soon());
let certificatesAt = -Infinity;

function showHeader(status) {
  const facts = [['version', status.version], ['up', duration(status.uptime_s)], ['generation', count(status.generation)],
    ['workers', count(status.workers)], ['process', String(status.pid)]];
  setText(find('state'), status.state);
  setClass(find('state'), `badge ${status.state === 'running' ? 'up' : 'warn'}`);
  keep(find('facts'), facts, ([name]) => name, ([name]) => h('div', {}, h('dt', {}, name), h('dd')),
    (element, [, value]) => setText(element.lastElementChild, value));
  document.title = `${status.state === 'running' ? '' : '(draining) '}muxgate · ${count(status.sessions)} sessions`;
}

/* A configuration that goes back unless somebody confirms it. */
function showTrial(generation, confirm) {
  find('trial').hidden = !confirm;
  if (!confirm) return;
  const when = confirm.left_s > 0 ? `in ${duration(confirm.left_s)}` : 'as soon as it can';
  setText(find('trial-text'), `Generation ${generation} waits to be confirmed: generation ${confirm.otherwise} comes back ${when}.`);
}

async function look() {
  const [status, traffic, pools] = await Promise.all([get('/v1/status'), get('/v1/traffic'), get('/v1/pools')]);
  rates.add(traffic, status.pid);
  showHeader(status);
  showTrial(status.generation, status.confirm);
  overview.update(rates, status);
  showRules(status, rates);
  showPools(pools, () => loop.soon());
  ends.update(rates);
  await sessions.update(status.sessions);
  if (performance.now() - certificatesAt > CERTIFICATES_MS) {
    certificates.update(await get('/v1/certificates'));
    certificatesAt = performance.now();
  }
}

function showLink(good, text) {
  setText(find('link'), text);
  setClass(find('link'), good ? 'link good' : 'link bad');
  document.body.toggleAttribute('data-stale', !good);
}

/* One look at a time. */
const loop = {
  timer: 0,
  busy: false,
  again: false,

  soon() {
    sessions.due();
    if (this.busy) this.again = true;
    else this.turn();
  },

  async turn() {
    clearTimeout(this.timer);
    this.busy = true;
    this.again = false;
    try {
      await look();
      showLink(true, 'live');
    } catch (error) {
      showLink(false, error instanceof TypeError || error.name === 'TimeoutError' ? 'not reached' : error.message);
    }
    this.busy = false;
    if (!document.hidden) this.timer = setTimeout(() => this.turn(), this.again ? 0 : PERIOD_MS);
  },
};

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) loop.soon();
});

find('reload').addEventListener('click', async (event) => {
  event.target.disabled = true;
  try {
    const answer = await change('POST', '/v1/reload');
    if (answer) toast([`reloaded: generation ${answer.generation}${answer.summary ? ` (${answer.summary})` : ''}`, ...answer.warnings].join('\n'));
    certificatesAt = -Infinity;
  } catch (error) {
    toast([error.message, ...(error.lines ?? [])].join('\n'), 'bad');
  }
  event.target.disabled = false;
  loop.soon();
});

find('confirm').addEventListener('click', async () => {
  try {
    const answer = await change('POST', '/v1/confirm');
    if (answer) toast(`confirmed: generation ${answer.generation} stays`);
  } catch (error) {
    toast(error.message, 'bad');
  }
  loop.soon();
});

loop.turn();
