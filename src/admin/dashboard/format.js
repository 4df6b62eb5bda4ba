// format: numbers, times and texts as people read them.

/* Texts come from clients, too: what has no shape of its own, or turns the direction of others, is spelled out. */
export function visible(text) {
  return String(text ?? '').replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

const whole = new Intl.NumberFormat('en');

export function count(value) {
  return value < 1e7 ? whole.format(value) : `${whole.format(Math.round(value / 1e6))} M`;
}

export function rate(value) {
  return value === 0 ? '0' : value < 10 ? value.toFixed(1) : count(Math.round(value));
}

export function bytes(value) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  if (d > 0) return `${d} d ${h} h`;
  if (h > 0) return `${h} h ${m} min`;
  return m > 0 ? `${m} min ${s % 60} s` : `${s} s`;
}

/* Whole days from now, rounded down. */
export function daysUntil(time) {
  return Math.floor((Date.parse(time) - Date.now()) / 86400e3);
}
