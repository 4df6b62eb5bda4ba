// ends: why sessions ended, in the last minute and ever.

import { find, setText, share, h, Table } from './dom.js';
import { count } from './format.js';

export class Ends {
  #table = new Table(find('ends'), [
    { title: 'reason', class: 'name', make: () => h('b'), update: (element, row) => setText(element, row.end.replaceAll('_', ' ')) },
    { title: 'last minute', class: 'number part', make: () => h('span'),
      update: (element, row) => { setText(element, count(row.recent)); share(element.parentElement, row.part); } },
    { title: 'since the start', class: 'number', text: (row) => count(row.total) },
  ], { empty: 'None has ended yet.', caption: 'Ends of sessions by reason', keyOf: (row) => row.end });

  update(rates) {
    const ends = rates.ends();
    const most = Math.max(1, ...ends.map((row) => row.recent));
    this.#table.show(ends.map((row) => ({ ...row, part: row.recent / most })));
  }
}
