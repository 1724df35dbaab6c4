// Finds councils by name: for browsers as somebody types, and for the service if no script runs.

/**
 * Letters, digits and single spaces: nobody has to type a point or a hyphen.
 *
 * @param {string} text
 */
const searched = (text) =>
  text
    .normalize('NFD')
    .toLowerCase()
    .replace(/&/g, ' and ')
    .replace(/[\p{M}'’.]/gu, '')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

/**
 * How many letters have to be put in, left out, replaced or swapped with the next. Source: optimal string alignment
 * distance (Damerau, Levenshtein).
 *
 * @param {string} a
 * @param {string} b
 */
function distance(a, b) {
  /** @type {number[]} */
  let before = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwapped ? (before[j - 2] ?? 0) + 1 : replaced;
      row.push(Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replaced, swapped));
    }
    [before, above] = [above, row];
  }
  return above[b.length] ?? 0;
}

/**
 * Whether a word is misspelt from another, or from its beginning: by one letter, or by two if it is long. No short word
 * is, since too many are alike.
 *
 * @param {string} word
 * @param {string} meant
 */
function isNear(word, meant) {
  const most = word.length < 4 ? 0 : word.length < 8 ? 1 : 2;
  return [meant, meant.slice(0, word.length)].some(
    // As many letters as lengths differ by have to be put in, and anybody may send a word of any length.
    (each) => Math.abs(word.length - each.length) <= most && distance(word, each) <= most,
  );
}

/**
 * Which of some councils somebody means, by each word of its name: those that have all words, or if there are none,
 * those that have similar ones.
 *
 * @param {readonly string[]} names
 * @param {string} typed
 * @returns {{ found: boolean[], isNear: boolean }} in the order of the names
 */
export function findCouncils(names, typed) {
  // Names differ in whether they say that it is a council.
  const words = searched(typed)
    .split(' ')
    .filter((word) => word !== 'council');
  const all = names.map(searched);
  const found = all.map((name) => words.every((word) => name.includes(word)));
  if (found.includes(true)) return { found, isNear: false };
  const near = all.map((name) =>
    words.every(
      (word) => name.includes(word) || name.split(' ').some((each) => isNear(word, each)),
    ),
  );
  return { found: near, isNear: near.includes(true) };
}
