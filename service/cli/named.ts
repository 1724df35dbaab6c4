import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import type { z } from 'zod';
import type { Acting } from '#loaders/upkeep/changing.ts';
import { type WrittenEvent, whoText } from '#schemas/audit/audit-event.ts';
import type { NamedPerson } from '#schemas/audit/named-person.ts';
import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import { shortTextSchema } from '#schemas/text.ts';
import { misused } from './failure.ts';

/** A command's options for the person who answers for it. */
export type Named = Pick<NamedPerson, 'by' | 'reason'>;

/** The operating system account of this process, and the one before sudo. In a container there may be only a number. */
export function osAccount(): string {
  const uid = String(process.getuid?.() ?? '');
  let name = `uid ${uid}`;
  try {
    name = userInfo().username;
  } catch {
    // No entry for that number.
  }
  const before = process.env['SUDO_USER'];
  const isSudo = uid === '0' && before !== undefined && before !== name;
  return whoText(isSudo ? `${name} (sudo: ${before})` : name);
}

/** The event of an operator who reads everything held for an authority, on disk before the first row is read. */
export const holdingsReadHere = (authority: OdsCode, reason: string): WrittenEvent => ({
  type: 'holdings-read',
  auditId: randomUUID(),
  authority,
  by: osAccount(),
  reason,
});

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

/** @throws {Failure} if the person or the reason is missing or invalid */
export function readNamed({ by, reason }: Partial<Named>): Required<NamedPerson> {
  if (by === undefined || reason === undefined) {
    throw misused('Say who and why: --by NAME --reason TEXT. Both go into the audit.');
  }
  return {
    by: readOption('--by', shortTextSchema, by),
    reason: readReason(reason),
    account: osAccount(),
  };
}

/** A person at a council on whose written word an operator acts. Two people have two names. */
export const namedActing = (name: string): Acting => ({
  name,
  key: `named ${name.toLowerCase()}`,
  account: osAccount(),
});

/** The argument CODE. @throws {Failure} if it is not an ODS code */
export function readOdsCode(text: string): OdsCode {
  const code = odsCodeSchema.safeParse(text).data;
  if (code === undefined) throw misused('CODE must be an ODS code: 3 to 12 capitals and digits.');
  return code;
}
