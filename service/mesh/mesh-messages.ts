import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { parseJson } from '#schemas/json.ts';
import { mailboxSchema } from '#schemas/uploads/mesh.ts';
import { withoutNumbers } from '../telemetry/log.ts';

/** Ids are a mailbox's own: they become names of folders and parts of addresses. */
export const messageIdSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/);

/** What a message says about itself. Texts have no control characters and at most 255 characters. */
export type MessageHead = {
  type: 'data' | 'report' | 'other';
  /** `undefined` if it is not a mailbox: a report has none. */
  from: string | undefined;
  to: string | undefined;
  workflowId: string;
  subject: string;
  fileName: string;
  localId: string;
  partnerId: string;
  encrypted: boolean;
  gzip: boolean;
  chunks: number;
  /** Reports only: the message that it is about. */
  linkedId: string;
  code: string;
  description: string;
};

export type FetchedChunk =
  | { kind: 'chunk'; head: MessageHead; last: boolean }
  /** It is not there any more. */
  | { kind: 'gone' }
  /** What arrived cannot be right, whichever side caused it. */
  | { kind: 'wrong'; why: string };

export type Posted =
  | { kind: 'taken'; messageId: string }
  /** It was not taken, and will not be unless changed. */
  | { kind: 'refused'; code: string; description: string }
  /** It may or may not have been taken. */
  | { kind: 'unknown'; why: string; retryAfterMs?: number | undefined };

export type PostedChunk =
  | { kind: 'taken' | 'final' | 'gone' }
  | Extract<Posted, { kind: 'refused' }>;

export const SENT_STATUSES = [
  'accepted',
  'acknowledged',
  'undeliverable',
  'error',
  'uploading',
] as const;

export type Tracked =
  | {
      kind: 'known';
      messageId: string;
      status: (typeof SENT_STATUSES)[number];
      code: string;
      description: string;
    }
  | { kind: 'absent' }
  | { kind: 'unclear'; why: string };

/** What is sent, besides its data. */
export type Outgoing = {
  to: string;
  workflowId: string;
  localId: string;
  subject: string;
  fileName: string;
};

const TEXT_AT_MOST = 255;
/** What headers may contain: a sender's own words arrive unchanged. */
export const clean = (text: string): string =>
  text
    .replaceAll(/[^\x20-\x7e\xa0-\xff]/g, '')
    .trim()
    .slice(0, TEXT_AT_MOST);

export const headerOf = (headers: IncomingHttpHeaders, name: string): string => {
  const value = headers[name];
  return clean(Array.isArray(value) ? value.join(' ') : (value ?? ''));
};

const isYes = (text: string): boolean => /^(?:y|yes|true|1)$/i.test(text);

function typeOf(text: string): MessageHead['type'] {
  const type = text.toLowerCase();
  return type === 'data' || type === 'report' ? type : 'other';
}

/** `k:n`, as every chunk has it. Without one there is a single chunk. */
export function rangeOf(text: string): { chunk: number; of: number } | undefined {
  if (text === '') return { chunk: 1, of: 1 };
  const [, chunk, of] = /^([0-9]{1,6}):([0-9]{1,6})$/.exec(text) ?? [];
  return chunk === undefined || of === undefined
    ? undefined
    : { chunk: Number(chunk), of: Number(of) };
}

/** A message's headers. One that is missing is empty, and a mailbox that is no mailbox's id is `undefined`. */
export function headOf(headers: IncomingHttpHeaders): Omit<MessageHead, 'chunks'> {
  const mailbox = (name: string): string | undefined =>
    mailboxSchema.safeParse(headerOf(headers, name)).data;
  return {
    type: typeOf(headerOf(headers, 'mex-messagetype')),
    from: mailbox('mex-from'),
    to: mailbox('mex-to'),
    workflowId: headerOf(headers, 'mex-workflowid'),
    subject: headerOf(headers, 'mex-subject'),
    fileName: headerOf(headers, 'mex-filename'),
    localId: headerOf(headers, 'mex-localid'),
    partnerId: headerOf(headers, 'mex-partnerid'),
    encrypted: isYes(headerOf(headers, 'mex-content-encrypted')),
    gzip: headerOf(headers, 'content-encoding').toLowerCase() === 'gzip',
    linkedId: headerOf(headers, 'mex-linkedmsgid'),
    code: headerOf(headers, 'mex-statuscode'),
    description: withoutNumbers(headerOf(headers, 'mex-statusdescription')),
  };
}

const detailSchema = z.object({
  detail: z
    .array(z.object({ code: z.string().optional(), msg: z.string().optional() }))
    .min(1)
    .optional(),
  errorCode: z.string().optional(),
  errorDescription: z.string().optional(),
});
export const listSchema = z.object({
  messages: z.array(z.string()),
  links: z.object({ next: z.string().optional() }).optional(),
});
/** Keys of version 2, and of version 1, which is what tracking by local id answers. */
export const trackedSchema = z.object({
  message_id: messageIdSchema.optional(),
  messageId: messageIdSchema.optional(),
  status: z.string(),
  status_code: z.string().nullish(),
  statusCode: z.string().nullish(),
  status_description: z.string().nullish(),
  statusDescription: z.string().nullish(),
});
export const postedSchema = z.object({ message_id: messageIdSchema });

/** A body as `schema` has it; `undefined` if it is not JSON, or does not fit. */
export const json = <T>(body: Buffer, schema: z.ZodType<T>): T | undefined =>
  schema.safeParse(parseJson(body.toString())).data;

/** The code and words of a refusal, in any of its forms; empty if it has none. */
export function refusalOf(body: Buffer): { code: string; description: string } {
  const found = json(body, detailSchema);
  const [first] = found?.detail ?? [];
  return {
    code: clean(first?.code ?? found?.errorCode ?? ''),
    description: withoutNumbers(clean(first?.msg ?? found?.errorDescription ?? '')),
  };
}
