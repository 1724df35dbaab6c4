/** What a terminal obeys or hides: control and format characters, line separators, halves of characters. */
const OBEYED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const escaped = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** `\p{Cf}` has characters of two halves, each escaped on its own as JSON has it. */
const escapedWhole = (character: string): string =>
  Array.from({ length: character.length }, (_, i) => escaped(character.slice(i))).join('');

/**
 * A name or a word from outside for a terminal or a log: what could move the cursor, colour or turn round
 * what follows, or begin a line of its own stands there as `\u001b`.
 */
export const printable = (text: string): string => text.replaceAll(OBEYED, escapedWhole);

/** The same for a text of several lines. What was JSON still is, and means the same. */
export const printableLines = (text: string): string =>
  text.replaceAll(OBEYED, (character) =>
    character === '\n' || character === '\t' ? character : escapedWhole(character),
  );
