import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import {
  type EnumerationAlertEvent,
  enumerationAlertEventSchema,
} from '#schemas/audit/audit-event.ts';
import { PDS } from '#schemas/wording/loads.ts';
import {
  BARRED_ALERT,
  ENUMERATION_ALERT,
  PLACE_UNTOLD,
  PROTECTED_TWICE,
} from '#schemas/wording/operations.ts';
import { writeWhole } from '#store/files/whole-file.ts';

/** Readable by the group: a program that sends them on runs under its own user. */
const FOLDER_MODE = 0o750;
const FILE_MODE = 0o640;

/** An attempt by a user to look up a child from whom they are barred, waiting to be written. */
export const barredAttemptSchema = enumerationAlertEventSchema
  .pick({ auditId: true, caller: true })
  .extend({
    at: z.iso.datetime(),
    /** Codes of the councils that bar the user. */
    councils: z.array(z.string()),
  });
export type BarredAttempt = z.infer<typeof barredAttemptSchema>;

/** A council's protection of a child whom another has protected for longer, waiting to be written. */
export const protectedTwiceSchema = z.object({
  auditId: z.uuid(),
  at: z.iso.datetime(),
  council: z.string(),
  first: z.string(),
});
export type ProtectedTwice = z.infer<typeof protectedTwiceSchema>;

/** A look at a protected child whose place no council is told; it waits to be written. */
export const untoldLookSchema = z.object({
  auditId: z.uuid(),
  at: z.iso.datetime(),
  /** The council that has protected the child the longest. */
  first: z.string(),
});
export type UntoldLook = z.infer<typeof untoldLookSchema>;

const userOf = ({ issuer, client, user, name, role, organisation }: BarredAttempt['caller']) => ({
  user: { id: user, name, issuer },
  role,
  organisation,
  client,
});

/** A JSON file in a folder of its own, whole and on disk when this resolves. Written again, it replaces itself. */
async function write(
  outbox: string,
  kind: string,
  content: { type: string; auditId: string; at: string; summary: string },
): Promise<void> {
  await mkdir(outbox, { recursive: true, mode: FOLDER_MODE });
  const time = content.at.replaceAll(/[-:]|\.[0-9]+/g, '');
  const file = join(outbox, `${kind}-${time}-${content.auditId}.json`);
  await writeWhole(file, `${JSON.stringify(content, undefined, 2)}\n`, FILE_MODE);
}

/**
 * Notifies the operating organisation's Caldicott Guardian, and through them the privacy officer of the
 * user's organisation, that somebody tried to look up a child from whom they are barred. The number is only
 * in the audit.
 */
export async function writeBarredAlert(
  outbox: string,
  { auditId, at, caller, councils }: BarredAttempt,
): Promise<void> {
  const { name, role, organisation } = caller;
  const summary = BARRED_ALERT.summary(name, role.name, organisation.name);
  const content = { type: 'barred-user', auditId, at, summary, ...userOf(caller), councils };
  await write(outbox, 'barred', content);
}

/**
 * Notifies the operating organisation's Caldicott Guardian that the record of a child with a plan has become
 * sensitive. The number is only in the audit, under the given id.
 */
export async function writeSensitiveAlert(
  outbox: string,
  { auditId, at, authorities }: { auditId: string; at: string; authorities: readonly string[] },
): Promise<void> {
  const summary = PDS.sensitiveAlert(auditId, authorities);
  const content = { type: 'number-sensitive', auditId, at, summary, authorities };
  await write(outbox, 'sensitive', content);
}

/**
 * Notifies the operating organisation's Caldicott Guardian that a council protects the whereabouts of a child
 * that another has protected for longer. The number is only in the audit, under the given id.
 */
export async function writeProtectedTwice(
  outbox: string,
  { auditId, at, council, first }: ProtectedTwice,
): Promise<void> {
  const summary = PROTECTED_TWICE.summary(auditId, council, first);
  const content = { type: 'protected-twice', auditId, at, summary, council, first };
  await write(outbox, 'protected', content);
}

/**
 * Notifies the operating organisation's Caldicott Guardian that no council is told where a child was looked up. The place
 * and the number are only in the audit, under the given id.
 */
export async function writeUntoldLook(
  outbox: string,
  { auditId, at, first }: UntoldLook,
): Promise<void> {
  const summary = PLACE_UNTOLD.summary(auditId, first);
  const content = { type: 'place-untold', auditId, at, summary, first };
  await write(outbox, 'untold', content);
}

/** Notifies the operating organisation's privacy officer of an alert. */
export async function writePrivacyAlert(
  outbox: string,
  alert: EnumerationAlertEvent,
  at: string,
): Promise<void> {
  const { type, auditId, caller, sign, access, count, threshold, windowSeconds } = alert;
  const measured = { ...(access !== undefined && { access }), count, threshold, windowSeconds };
  const summary = ENUMERATION_ALERT.summary(alert);
  const content = { type, auditId, at, summary, ...userOf(caller), sign, ...measured };
  await write(outbox, 'alert', content);
}
