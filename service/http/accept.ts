import type { IncomingMessage } from 'node:http';
import { accepts } from 'hono/accepts';
import { parseAccept } from 'hono/utils/accept';
import type { RouteContext } from './route.ts';

/**
 * The offered media type that a client's Accept header prefers (RFC 9110 section 12.5.1). The first one
 * offered if it states none, accepts any, or wants another: no route refuses for it.
 */
export function preferredType<T extends string>(c: RouteContext, offered: readonly [T, ...T[]]): T {
  const supports = [...offered];
  const best = accepts(c, { header: 'Accept', supports, default: offered[0] });
  return supports.find((type) => type === best) ?? offered[0];
}

const PAGE_OR_PROBLEM = /^(?:text\/html|application\/problem\+json)$/i;

/** Whether a client names pages among what it accepts, as every browser does, and does not prefer a problem. */
export function wantsPage({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  // In the order of preference.
  const first = parseAccept(headers.accept ?? '').find(({ type }) => PAGE_OR_PROBLEM.test(type));
  return first !== undefined && first.q > 0 && first.type.toLowerCase() === 'text/html';
}
