// Only adds: every page works without it.
import { findCouncils } from './councils.js';
import { initAll } from './nhsuk-frontend.js';

const { body } = document;
body.classList.add('js-enabled');
if ('noModule' in HTMLScriptElement.prototype) body.classList.add('nhsuk-frontend-supported');
initAll();

// Older browsers heed it at fields only. An address with a place in the page leads there.
if (document.activeElement === body && location.hash === '') {
  document.querySelector('[autofocus]')?.focus();
}

const filter = document.querySelector('[data-search]');
if (filter !== null) {
  const box = filter.querySelector('input');
  const count = document.querySelector('[data-count]');
  const groups = [...document.querySelectorAll('[data-group]')];
  const entries = [...document.querySelectorAll('[data-council]')];
  const names = entries.map((entry) => entry.querySelector('h3').textContent);
  const show = () => {
    const { found, isNear } = findCouncils(names, box.value);
    for (const [i, entry] of entries.entries()) entry.hidden = !found[i];
    for (const group of groups) {
      group.hidden = group.querySelector('[data-council]:not([hidden])') === null;
      document.querySelector(`[data-letter="${CSS.escape(group.dataset.group)}"]`).hidden =
        group.hidden;
    }
    const shown = found.filter(Boolean).length;
    const { one, many, none, nearOne, nearMany } = count.dataset;
    const words =
      shown === 0 ? none : shown === 1 ? (isNear ? nearOne : one) : isNear ? nearMany : many;
    count.textContent = words.replace('#', shown);
  };
  // The list follows each letter.
  filter.querySelector('button').remove();
  box.addEventListener('input', show);
  filter.addEventListener('submit', (event) => event.preventDefault());
}

const { hideTo, hideAfterSeconds, session, sessionSeconds = 0 } = body.dataset;
const tabs =
  session === undefined || globalThis.BroadcastChannel === undefined
    ? undefined
    : new BroadcastChannel('cp-flags-session');

/** Which session a page of ours in this browser was last of, as a digest; none once nobody is signed in. */
const SESSION = 'cp-flags-session';
const lastSession = () => {
  try {
    return localStorage.getItem(SESSION);
  } catch {
    return null;
  }
};
const noteSession = (of) => {
  try {
    if (of === '') localStorage.removeItem(SESSION);
    else localStorage.setItem(SESSION, of);
  } catch {
    // Storage is turned off: such a page is then hidden.
  }
};

if (hideAfterSeconds !== undefined) {
  let ends;
  let timer;
  const hidesAfter = (seconds) => {
    body.className = body.className.replace(/ cpf-hides--[0-9]+/, '');
    // So that the time of the style begins again.
    body.getBoundingClientRect();
    body.classList.add(`cpf-hides--${seconds}`);
  };
  const clear = () => {
    hidesAfter(0);
    for (const each of body.querySelectorAll('.cpf-hides__content')) each.remove();
  };
  // What had the focus is gone, and a sentence that comes from a style can neither have it nor is it announced.
  const say = () => {
    const then = body.querySelector('[data-says]');
    if (then === null) return;
    const said = document.createElement('p');
    said.className = 'cpf-strong';
    said.setAttribute('role', 'alert');
    said.tabIndex = -1;
    said.textContent = then.dataset.says;
    then.removeAttribute('data-says');
    then.before(said);
    said.focus();
  };
  const hide = () => {
    clearTimeout(timer);
    tabs?.close();
    clear();
    say();
    // It may be slow to come.
    if (hideTo !== undefined) location.replace(hideTo);
  };
  // A number that is rung, or a load that is stopped, makes a browser forget where it was to go.
  const endAfter = (seconds) => {
    clearTimeout(timer);
    timer = setTimeout(hide, seconds * 1000);
    ends = Date.now() + seconds * 1000;
  };
  endAfter(hideAfterSeconds);
  // A page that was laid aside, or a computer that slept, may have stopped the timer, and no event may say that it woke.
  const hideIfLate = () => {
    if (Date.now() >= ends && body.querySelector('.cpf-hides__content') !== null) hide();
  };
  for (const type of ['pageshow', 'visibilitychange', 'focus']) addEventListener(type, hideIfLate);
  setInterval(hideIfLate, 1000);
  // Some browsers keep a page for going back although it must not be stored, as WebKit does without TLS. It hears nothing
  // meanwhile. A form is not lost if its session goes on.
  if (hideTo !== undefined) addEventListener('pagehide', ({ persisted }) => persisted && clear());
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted && (hideTo !== undefined || lastSession() !== session)) hide();
  });
  // Nothing is shown once somebody else signs in, in whichever tab. A form is not lost while its session goes on in another.
  tabs?.addEventListener('message', ({ data }) => {
    if (data.session !== session) return hide();
    if (hideTo !== undefined) return;
    const seconds = 10 * Math.floor((data.ends - Date.now()) / 10_000);
    if (Date.now() + seconds * 1000 <= ends) return;
    endAfter(seconds);
    hidesAfter(seconds);
  });
}
if (session !== undefined) noteSession(session);
tabs?.postMessage({ session, ends: Date.now() + sessionSeconds * 1000 });

// A file that is dropped beside its box would be opened in place of the page.
if (document.querySelector('input[type="file"]') !== null) {
  for (const type of ['dragover', 'drop']) {
    document.addEventListener(type, (event) => {
      if (!(event.target instanceof HTMLInputElement)) event.preventDefault();
    });
  }
}
