/** Characters that take up no room: zero-width spaces and joiners, soft hyphens, direction marks. */
const INVISIBLE = /\p{Cf}/gu;
/** Nearly every text is plain, and has nothing to tidy. */
const PLAIN = /^[!-~]*$/;

/** A text as it looks: without invisible characters, and with single white space between words only. */
export const tidy = (text: string): string =>
  PLAIN.test(text)
    ? text
    : text
        .replaceAll(INVISIBLE, '')
        .replaceAll(/\p{Zs}+/gu, ' ')
        .trim();

/** A code without the white space and invisible characters that came with it from a spreadsheet or web page. */
export const unspaced = (text: string): string =>
  PLAIN.test(text) ? text : text.replaceAll(INVISIBLE, '').replaceAll(/\s/g, '');
