// Only adds: every page works without it.
import { initAll } from './nhsuk-frontend.js';

document.body.classList.add('js-enabled');
if ('noModule' in HTMLScriptElement.prototype) {
  document.body.classList.add('nhsuk-frontend-supported');
}
initAll();

const filter = document.querySelector('[data-filter]');
if (filter !== null) {
  const box = filter.querySelector('input');
  const count = filter.querySelector('[data-count]');
  const councils = [...document.querySelectorAll('[data-council]')];
  const groups = [...document.querySelectorAll('[data-group]')];
  filter.hidden = false;
  const show = () => {
    const wanted = box.value.trim().toLowerCase();
    let shown = 0;
    for (const council of councils) {
      council.hidden = !council.dataset.council.includes(wanted);
      if (!council.hidden) shown += 1;
    }
    for (const group of groups) {
      group.hidden = group.querySelector('[data-council]:not([hidden])') === null;
      document.querySelector(`[data-letter="${group.dataset.group}"]`).hidden = group.hidden;
    }
    const { one, many, none } = count.dataset;
    count.textContent = shown === 0 ? none : shown === 1 ? one : many.replace('#', shown);
  };
  box.addEventListener('input', show);
}

// A number that is rung, or a load that is stopped, makes a browser forget where it was to go.
const hides = document.querySelector('[data-hide-to]');
if (hides !== null) {
  const { hideTo, hideAfterSeconds } = hides.dataset;
  setTimeout(() => location.replace(hideTo), hideAfterSeconds * 1000);
}

// A file that is dropped beside its box would be opened in place of the page.
if (document.querySelector('input[type="file"]') !== null) {
  for (const type of ['dragover', 'drop']) {
    document.addEventListener(type, (event) => {
      if (!(event.target instanceof HTMLInputElement)) event.preventDefault();
    });
  }
}
