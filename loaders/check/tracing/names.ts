/** Letters without a decomposition that are written plainly elsewhere. */
const PLAIN: Readonly<Record<string, string>> = {
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ß: 'ss',
  ð: 'd',
  þ: 'th',
  ł: 'l',
  đ: 'd',
  ħ: 'h',
  ŧ: 't',
  ŋ: 'n',
  ɓ: 'b',
  ɗ: 'd',
  ƙ: 'k',
  ƴ: 'y',
  ς: 'σ',
};
/** With the apostrophes and the Arabic stroke for length that Unicode counts as letters. */
const SIGNS = /[^\p{L}\p{N}]|[\u02b9-\u02ff\u0640]/gu;
/** The letters that two given names must share if one is shortened: an initial proves nothing. */
const TRUNCATED_AT_LEAST = 3;

/**
 * A name in the form in which names are compared: without accents, capitals, hyphens, apostrophes and spaces. Through
 * capitals, since some letters share one: ı and i, σ and ς.
 */
function plain(text: string): string {
  return text
    .normalize('NFKD')
    .toUpperCase()
    .toLowerCase()
    .replaceAll(/[æœøßðþłđħŧŋɓɗƙƴς]/g, (letter) => PLAIN[letter] ?? letter)
    .replaceAll(SIGNS, '');
}

/** A name prepared once, to be compared often. */
export type PlainName = { family: string; given: readonly string[] };

/** @param givenName all given names, with spaces between */
export function plainName(givenName: string, familyName: string): PlainName {
  const given = givenName.split(/\s+/).map(plain);
  return { family: plain(familyName), given: given.filter((name) => name !== '') };
}

/** Family names must be the same; spelling variants of the same letters make no difference. */
export function sameFamilyName(sent: PlainName, known: PlainName): boolean {
  return sent.family !== '' && sent.family === known.family;
}

/**
 * Given names agree if all are the same; or the first is the same; or the first one sent is any of those
 * known; or one of the first names is the beginning of the other.
 *
 * Source: the steps in which case system guides say that names are compared. They do not state how long a
 * shortened name must be; here it is three letters.
 */
export function sameGivenName(sent: PlainName, known: PlainName): boolean {
  const [first] = sent.given;
  const [knownFirst] = known.given;
  if (first === undefined || knownFirst === undefined) return false;
  if (sent.given.join(' ') === known.given.join(' ')) return true;
  if (first === knownFirst || known.given.includes(first)) return true;
  const length = Math.min(first.length, knownFirst.length);
  return length >= TRUNCATED_AT_LEAST && first.slice(0, length) === knownFirst.slice(0, length);
}
