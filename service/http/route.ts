import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';

export type RouteContext = Context<{ Bindings: HttpBindings }>;
export type Handler = (c: RouteContext) => Response | Promise<Response>;

/** What is asked for by one method at one address; the path may have parameters (`/uploads/:sequence`). */
export type Route = {
  method: 'GET' | 'POST';
  path: string;
  /** Answers without a token: then a HEAD is answered as well, since nobody's look is recorded by it. */
  open?: true;
  handler: Handler;
};

/** The methods of an address, as the Allow header names them, from the routes that there are. */
export function allowedMethods(routes: readonly Route[]): ReadonlyMap<string, string> {
  const allowed = new Map<string, string>();
  for (const { method, path, open } of routes) {
    const own = open === true && method === 'GET' ? 'GET, HEAD' : method;
    const others = allowed.get(path);
    allowed.set(path, others === undefined ? own : `${others}, ${own}`);
  }
  return allowed;
}
