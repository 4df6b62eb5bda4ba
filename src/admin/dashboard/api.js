// api: what the gateway is asked for. The token stays in this module's memory.

import { find } from './dom.js';

const PATIENCE_MS = 10000;
let token = '';

async function ask(method, path, body) {
  const headers = token && method !== 'GET' ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE_MS) });
  const text = await answer.text();
  return { status: answer.status, good: answer.ok, document: text === '' ? null : JSON.parse(text) };
}

export async function get(path) {
  const answer = await ask('GET', path);
  if (!answer.good) throw new Error(answer.document?.error ?? `status ${answer.status}`);
  return answer.document;
}

/* false: the dialog was left. */
function askForToken() {
  const dialog = find('ask-token');
  const input = find('token');
  input.value = '';
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      const given = dialog.returnValue === 'use' && input.value !== '';
      if (given) token = input.value;
      input.value = '';
      resolve(given);
    }, { once: true });
  });
}

/* Changes something; null: given up at the question for the token. Errors have the lines that the gateway told. */
export async function change(method, path, body) {
  let answer = await ask(method, path, body);
  while (answer.status === 401) {
    token = '';
    if (!(await askForToken())) return null;
    answer = await ask(method, path, body);
  }
  if (answer.good) return answer.document ?? {};
  const error = new Error(answer.document?.error ?? `status ${answer.status}`);
  error.lines = answer.document?.errors ?? [];
  throw error;
}
