import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { ErrorCode } from '#schemas/errors.ts';
import { BODY_LIMITS, type BodyLimits, readBody } from '../../http/body.ts';
import { repeatedHeader } from '../../http/request-head.ts';
import type { Sealer } from './seal.ts';

/** The fields of a form, each sent once. */
export type Fields = ReadonlyMap<string, string>;
/** Why a body is not taken as a form. */
export type FormRefusal = Extract<
  ErrorCode,
  'form-untrusted' | 'form-field-repeated' | 'body-too-large' | 'request-timeout'
>;

const FORM_TYPE = /^application\/x-www-form-urlencoded *(?:; *charset *= *"?utf-8"? *)?$/i;

/**
 * Reads the body of a request as a form, within the limits of every body unless others are given. An invalid
 * one, or one with a repeated field, is refused whole.
 */
export async function readForm(
  { incoming, outgoing }: HttpBindings,
  limits: Partial<BodyLimits> = {},
): Promise<Fields | FormRefusal> {
  if (repeatedHeader(incoming) !== undefined) return 'form-untrusted';
  const { headers } = incoming;
  if (!FORM_TYPE.test(headers['content-type'] ?? '')) return 'form-untrusted';
  if (headers['content-encoding'] !== undefined) return 'form-untrusted';
  const body = await readBody(incoming, outgoing, { ...BODY_LIMITS, ...limits });
  if (body.kind === 'refused') return body.code;
  if (!isUtf8(body.bytes)) return 'form-untrusted';
  const fields = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(body.bytes.toString('utf8'))) {
    if (fields.has(name)) return 'form-field-repeated';
    fields.set(name, value);
  }
  return fields;
}

/** What a form is for, and whose it is: a session's or a visit's id. */
type Of = { form: string; owner: string; once?: string };

const textOf = ({ form, owner, once = '' }: Of): string => JSON.stringify([form, owner, once]);

export type Forms = {
  /** Whether the browser says that it was sent from one of our pages, as far as it says anything. */
  isSentFromHere: (incoming: Pick<IncomingMessage, 'headers' | 'socket'>) => boolean;
  /** The token that a form carries. */
  token: (of: Of) => string;
  /** Whether a token was made for this, whatever a browser says about where it comes from. */
  isToken: (token: string, of: Of) => boolean;
  /**
   * Whether a form comes from one of our pages made for the same browser: by its token, and by the origin
   * that the browser gives.
   */
  isOurs: (
    incoming: Pick<IncomingMessage, 'headers' | 'socket'>,
    fields: Fields,
    of: Of,
  ) => boolean;
};

/**
 * A browser that was told to send no referrer gives `null` as its origin, and newer ones add whether the page
 * was ours. One that gives neither has only the token, and a cookie that is not sent with other sites' forms.
 */
function isSentFromHere(
  { headers }: Pick<IncomingMessage, 'headers'>,
  origins: readonly string[],
): boolean {
  const { origin, 'sec-fetch-site': site } = headers;
  const isOrigin = origin === undefined || origin === 'null' || origins.includes(origin);
  return isOrigin && (site === undefined || site === 'same-origin');
}

/** @param origins where our pages are, by configuration and the socket, and never by what a request says */
export function createForms(
  sealer: Sealer,
  origins: (incoming: Pick<IncomingMessage, 'socket'>) => readonly string[],
): Forms {
  const isToken: Forms['isToken'] = (token, of) => sealer.isSigned(textOf(of), token);
  return {
    isSentFromHere: (incoming) => isSentFromHere(incoming, origins(incoming)),
    token: (of) => sealer.sign(textOf(of)),
    isToken,
    isOurs: (incoming, fields, of) =>
      isSentFromHere(incoming, origins(incoming)) && isToken(fields.get('token') ?? '', of),
  };
}
