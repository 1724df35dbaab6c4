import { z } from 'zod';

/**
 * The form of `X-Request-ID` and `X-Correlation-ID`, the same at the entrance of every route and in every
 * event: a UUID of any version, or of none, in its 36 characters. A stricter rule for reading would lead to
 * sealed events that cannot be read.
 */
export const requestIdSchema = z.guid();
export const REQUEST_ID = z.regexes.guid;
