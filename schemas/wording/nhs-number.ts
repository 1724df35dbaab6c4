import { isTurned, typedNhsNumber } from '../nhs-number.ts';
import { unspaced } from '../tidy.ts';
import { counted } from './counts.ts';

/** What is wrong with an NHS number that a person typed. None of them repeats a digit of it. */
export const NHS_NUMBER = {
  missing: 'Enter the NHS number',
  notDigits: 'Enter the NHS number with digits only, like 999 123 4567',
  length: (count: number) =>
    `The NHS number must have 10 digits. This has ${counted(count, 'digit')}`,
  digit: 'This is not an NHS number. Check each digit: one is wrong, or two are swapped',
} as const;

/** What is wrong with a text that was typed as an NHS number and is none. */
export function wrongNhsNumber(typed: string): string {
  const number = typedNhsNumber(typed);
  const digits = isTurned(number) ? number : unspaced(number);
  if (digits === '') return NHS_NUMBER.missing;
  if (!/^[0-9]+$/.test(digits)) return NHS_NUMBER.notDigits;
  return digits.length === 10 ? NHS_NUMBER.digit : NHS_NUMBER.length(digits.length);
}
