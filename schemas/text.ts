import { z } from 'zod';

/**
 * What a line of text never holds: control characters, line and paragraph ends, and unpaired surrogates, so
 * that it can break neither a log line, nor a packed row, nor JSON read elsewhere.
 */
const LINE = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]*$/u;

/** Also without what reorders the text beside it on a screen, and what XML cannot hold. */
const HARMLESS = /^[^\u202a-\u202e\u2066-\u2069\p{Noncharacter_Code_Point}]*$/u;

/** A visible letter or digit: blanks, marks and controls alone name nobody. */
const SEEN = /(?!\p{Default_Ignorable_Code_Point})[\p{L}\p{N}]/u;

/** Text already stored: what an earlier rule accepted must stay readable. */
export const heldTextSchema = z
  .string()
  .trim()
  .min(1, { error: 'must not be empty' })
  .max(120, { error: 'must be at most 120 characters' })
  .regex(LINE, { error: 'must have no control characters' });

/**
 * The one rule for text that comes from outside and that a person reads: names of people, roles, authorities
 * and organisations, who did something and why. An invisible name would leave an audit without one.
 */
export const shortTextSchema = heldTextSchema
  .regex(HARMLESS, { error: 'must have no characters that change the direction of text' })
  .regex(SEEN, { error: 'must have a letter or a digit' });
