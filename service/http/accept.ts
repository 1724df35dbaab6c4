import { accepts } from 'hono/accepts';
import type { RouteContext } from './route.ts';

/**
 * The media type that a client's Accept header likes best of those offered (RFC 9110 section 12.5.1). The
 * first one offered if it does not say, takes anything, or wants something else: no route refuses for it.
 */
export function preferredType<T extends string>(c: RouteContext, offered: readonly [T, ...T[]]): T {
  const supports = [...offered];
  const best = accepts(c, { header: 'Accept', supports, default: offered[0] });
  return supports.find((type) => type === best) ?? offered[0];
}
