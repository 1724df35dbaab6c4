import { figure } from '#schemas/wording/counts.ts';
import { misused } from './failure.ts';

/**
 * A whole number as typed.
 *
 * @throws {Failure} a sentence that names the option and what it may be
 */
export function readTypedNumber(option: string, text: string, least: number, most: number): number {
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw misused(`${option} must be a whole number from ${least} to ${figure(most)}.`);
}

/**
 * The same as {@link readTypedNumber}, without bounds of its own.
 *
 * @throws {Failure} a sentence that names the option
 */
export function readWholeNumber(option: string, text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw misused(`${option} must be a whole number.`);
  return Number(text);
}
