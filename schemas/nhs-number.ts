import { z } from 'zod';
import { unspaced } from './tidy.ts';

/** Ten digits whose last is the right modulus 11 check digit. Only {@link parseNhsNumber} makes one. */
export type NhsNumber = string & { readonly __brand: 'NhsNumber' };

const WEIGHTS = [10, 9, 8, 7, 6, 5, 4, 3, 2] as const;
const ZERO = 48;

/**
 * The check digit of nine digits: 11 less the weighted sum modulus 11, where 11 counts as 0 and 10 makes the
 * number unusable (`undefined`).
 *
 * Source: NHS number standard, modulus 11 with weights 10 to 2.
 */
export function nhsNumberCheckDigit(nineDigits: string): number | undefined {
  let sum = 0;
  for (let i = 0; i < 9; i++) sum += (nineDigits.charCodeAt(i) - ZERO) * (WEIGHTS[i] ?? 0);
  const digit = 11 - (sum % 11);
  if (digit === 10) return undefined;
  return digit === 11 ? 0 : digit;
}

/**
 * Accepts exactly ten ASCII digits with a right check digit, and not ten equal digits (they pass the
 * arithmetic, and are what tired people and test systems type). Spaces are not accepted here: a caller that
 * accepts the printed 3-3-4 form removes them with {@link unspacedNhsNumber} first.
 */
export function parseNhsNumber(text: string): NhsNumber | undefined {
  if (text.length !== 10) return undefined;
  let allEqual = true;
  for (let i = 0; i < 10; i++) {
    const code = text.charCodeAt(i);
    if (code < ZERO || code > ZERO + 9) return undefined;
    if (code !== text.charCodeAt(0)) allEqual = false;
  }
  if (allEqual) return undefined;
  return nhsNumberCheckDigit(text) === text.charCodeAt(9) - ZERO ? (text as NhsNumber) : undefined;
}

/**
 * A number without white space and invisible characters, and the printed form `999 000 0018` or
 * `999-000-0018` without its separators; any other text unchanged.
 */
export function unspacedNhsNumber(text: string): string {
  const bare = unspaced(text).replace(
    /^([0-9]{3})([-\u2010\u2011])([0-9]{3})\2([0-9]{4})$/,
    '$1$3$4',
  );
  return /^[0-9]{10}$/.test(bare) ? bare : text;
}

/** What people put between the digits when they type or paste a number: spaces, dashes and dots. */
export const SEPARATOR = '[\\s.\\u2010-\\u2015\\u2212-]';
const SEPARATORS = new RegExp(SEPARATOR, 'g');

/**
 * Marks by which what follows is shown from right to left, or in groups that change places, and every character of the
 * ranges that Unicode keeps for scripts from right to left, which include invisible ones. Source: UAX 9, Bidi_Class.
 */
const TURNING =
  /[\u0590-\u08ff\u200f\u202b\u202e\u2067\ufb1d-\ufdff\ufe70-\ufefe\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** Whether a text may be shown in a different order from how it is read: a person would see another number. */
export const isTurned = (text: string): boolean => TURNING.test(text);

/**
 * A number that a person typed or pasted, without separators and invisible characters; unchanged if it {@link
 * isTurned}. What systems send is read more strictly: there a dot may show that it is not a number.
 */
export const typedNhsNumber = (text: string): string =>
  isTurned(text) ? text : unspacedNhsNumber(text.replaceAll(SEPARATORS, ''));

/** Ten digits as NHS numbers are printed. */
const PRINTED = /^[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}$/;
/** What may stand between two digits if somebody has written a number in their own way. */
const BETWEEN = /^[\s\p{P}\p{S}\p{Cf}]{1,4}$/u;
/** A telephone number's country code, before the rest of it. */
const COUNTRY_CODE = /\+[0-9]{1,3}[\s().-]*$/;
const ADDRESS = /^(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})\.){3}[0-9]{1,3}(?::[0-9]+)?$/;
const WORD = /[\p{L}\p{N}]/u;

/**
 * Where a text may contain an NHS number: ten digits in the printed form, or in any other form with
 * separators if their check digit is right. Not as part of a word or a network address, or after a telephone
 * country code. Of dates with a time, one in eleven is mistaken for a number.
 *
 * @param text in the normal form NFKC, since digits of other widths are not found
 */
export function numbersIn(text: string): { from: number; to: number; isValid: boolean }[] {
  const digits = [...text.matchAll(/[0-9]+/g)];
  const found: { from: number; to: number; isValid: boolean }[] = [];
  for (const [i, { index: from }] of digits.entries()) {
    let ten = '';
    for (const [j, { 0: group, index }] of digits.slice(i, i + 10).entries()) {
      const before = digits[i + j - 1];
      const gap = before && text.slice(before.index + before[0].length, index);
      if (j > 0 && !BETWEEN.test(gap ?? '')) break;
      ten += group;
      if (ten.length < 10) continue;
      const to = index + group.length;
      const isValid = parseNhsNumber(ten) !== undefined;
      const isPrinted = PRINTED.test(text.slice(from, to));
      const isAlone = !WORD.test(text[from - 1] ?? '') && !WORD.test(text[to] ?? '');
      const isPhone = COUNTRY_CODE.test(text.slice(Math.max(0, from - 8), from));
      const isOther = isPhone || ADDRESS.test(text.slice(from, to));
      const isIt = ten.length === 10 && (isPrinted || (isValid && isAlone && !isOther));
      if (isIt) found.push({ from, to, isValid });
      break;
    }
  }
  return found;
}

export const nhsNumberSchema = z
  .string()
  .refine((text) => parseNhsNumber(text) !== undefined, {
    error: 'must be ten digits, the last of which checks the others',
  })
  .transform((text) => text as NhsNumber)
  .meta({
    pattern: '^[0-9]{10}$',
    description:
      'Ten digits and nothing else (no spaces, dashes or invisible characters), the last of which checks the others (modulus 11); traced and verified by your system.',
    examples: ['9991000011'],
  });

/** How many partitions the store spreads the children over. Part of the store's format: never change it. */
export const PARTITIONS = 256;

/**
 * The partition that holds a number: FNV-1a over its ten digits, folded to eight bits, so that
 * consecutive numbers spread evenly.
 */
export function partitionOf(number: NhsNumber): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < 10; i++) hash = Math.imul(hash ^ number.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 16;
  return (hash ^ (hash >>> 8)) & 0xff;
}
