import type { IncomingMessage } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { ErrorCode } from '#schemas/errors.ts';

/** A request on its way through a route. */
export type RouteContext = Context<{ Bindings: HttpBindings }>;
export type Handler = (c: RouteContext) => Response | Promise<Response>;

/** A handler with its mount point, and whether it asks for a token. */
export type MountedRoute = {
  operation: {
    method: 'GET' | 'POST';
    path: string;
    letsIn: string;
    optionsAt?: readonly string[];
    /** Matched after all others: no regular expression can hold it beside them. */
    apart?: boolean;
  };
  handler: Handler;
};

/**
 * What is shown at an address that does not exist, or exists for other methods; `undefined` for a program,
 * which is given a problem.
 */
export type NotFound = (c: RouteContext, isThere: boolean) => Response | undefined;

/** What is shown for a request about which no route is asked, because of this fault; `undefined` for a program, as above. */
export type NotRouted = (
  incoming: Pick<IncomingMessage, 'headers'>,
  fault: ErrorCode,
) => Response | undefined;
