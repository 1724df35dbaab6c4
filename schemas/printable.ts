/** What a terminal obeys or hides: control and format characters, line separators, unpaired surrogates. */
const OBEYED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const escaped = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** `\p{Cf}` has characters of two code units, each escaped separately as in JSON. */
const escapedWhole = (character: string): string =>
  Array.from({ length: character.length }, (_, i) => escaped(character.slice(i))).join('');

/**
 * A name or a word from outside for a terminal or a log: anything that could move the cursor, colour or
 * reverse what follows, or begin a new line is escaped as `\u001b`.
 */
export const printable = (text: string): string => text.replaceAll(OBEYED, escapedWhole);

/** The same for a text of several lines. JSON stays JSON, with the same meaning. */
export const printableLines = (text: string): string =>
  text.replaceAll(OBEYED, (character) =>
    character === '\n' || character === '\t' ? character : escapedWhole(character),
  );
