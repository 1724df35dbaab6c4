import { z } from 'zod';
import { odsCodeSchema } from '../authority.ts';

/** A MESH mailbox id. MESH compares them in capitals. */
export const mailboxSchema = z
  .string()
  .regex(/^[A-Za-z0-9]{3,20}$/, { error: 'must be a MESH mailbox: 3 to 20 letters and digits' })
  .transform((text) => text.toUpperCase());

export const workflowSchema = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,60}$/, { error: 'must be a MESH workflow id' });

/** Which authority each mailbox sends for: `{ "X26ABC1": "V145" }`. */
export const mailboxesFileSchema = z.record(mailboxSchema, odsCodeSchema);
