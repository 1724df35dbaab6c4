import type { z } from 'zod';
import { shortTextSchema } from '#schemas/text.ts';
import { misused } from './failure.ts';

/** Somebody who answers for an act, and why: both go into the audit. */
export type Named = { by: string; reason: string };

/** @throws {Failure} a sentence that names the option and what is wrong with it */
export function readOption<S extends z.ZodType>(
  option: string,
  schema: S,
  value: unknown,
): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw misused(`${[option, ...(issue?.path ?? [])].join(' ')} ${issue?.message}.`);
}

export const readReason = (text: string): string => readOption('--reason', shortTextSchema, text);

/** @throws {Failure} where somebody or the reason is missing, or is none */
export function readNamed({ by, reason }: Partial<Named>): Named {
  if (by === undefined || reason === undefined) {
    throw misused('Say who and why: --by NAME --reason TEXT. Both go into the audit.');
  }
  return { by: readOption('--by', shortTextSchema, by), reason: readReason(reason) };
}
