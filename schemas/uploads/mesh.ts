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

const sendingMailboxSchema = z.union(
  [
    odsCodeSchema.transform((authority) => ({ authority })),
    z.strictObject({
      authority: odsCodeSchema,
      /** Its own, if it differs from the settings. */
      workflowId: workflowSchema.optional(),
      acknowledgementWorkflowId: workflowSchema.optional(),
    }),
  ],
  { error: 'must be an ODS code, or { "authority", "workflowId", "acknowledgementWorkflowId" }' },
);
/** Which authority a mailbox sends for, and under which workflows. */
export type SendingMailbox = z.infer<typeof sendingMailboxSchema> & {
  workflowId?: string | undefined;
  acknowledgementWorkflowId?: string | undefined;
};

/** By mailbox: `{ "X26ABC1": "V145" }`. */
export const mailboxesFileSchema = z.record(mailboxSchema, sendingMailboxSchema);

/** The conventional workflow id of acknowledgements. */
export const acknowledgementOf = (workflowId: string): string => `${workflowId}_ACK`;
