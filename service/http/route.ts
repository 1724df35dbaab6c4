import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';

/** A request on its way through a route. */
export type RouteContext = Context<{ Bindings: HttpBindings }>;
export type Handler = (c: RouteContext) => Response | Promise<Response>;
