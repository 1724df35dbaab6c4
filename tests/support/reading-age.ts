/**
 * The age at which a text can be read: its Flesch-Kincaid grade, which is an American school year, and five. A clause
 * that ends with a colon or semicolon counts as a sentence. Syllables are groups of vowels, without an `e` that is not
 * spoken.
 *
 * Source: Kincaid and others, Derivation of new readability formulas for Navy enlisted personnel, 1975.
 */
export function readingAge(text: string): number {
  const sentences = text.split(/[.!?:;](?:\s|$)/).filter((each) => /\w/.test(each)).length;
  const words = text.toLowerCase().match(/[a-z]+|\d+/g) ?? [];
  const syllables = words.reduce((sum, word) => sum + syllablesOf(word), 0);
  return 0.39 * (words.length / sentences) + 11.8 * (syllables / words.length) - 15.59 + 5;
}

function syllablesOf(word: string): number {
  const spoken = word.replace(/(?:[^laeiouy]es|[^td]ed|[^laeiouy]e)$/, '').replace(/^y/, '');
  return spoken.match(/[aeiouy]{1,2}/g)?.length ?? 1;
}
